"""Which form of an answer a caller takes: JSON, also where its Accept names only problems."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request

from shop.rest.problem import CONTENT_TYPE


class ContentNegotiation(DefaultContentNegotiation):
    """DRF's, for which `application/problem+json` is a kind of JSON: every answer that is not a problem is JSON."""

    def select_renderer(self, request: Request, renderers: Iterable[Any], format_suffix: str | None = None) -> Any:
        """Return the renderer and the media type. Raises: NotAcceptable."""
        try:
            return super().select_renderer(request, renderers, format_suffix)
        except NotAcceptable:
            named = {each.partition(";")[0].strip().lower() for each in self.get_accept_list(request)}
            if CONTENT_TYPE not in named:
                raise
            renderer = next(iter(renderers))
            return renderer, renderer.media_type


class PreferredForm(ContentNegotiation):
    """For what comes in several forms: the one that Accept gives the most weight (RFC 9110, section 12.5.1), else the first.

    REST framework's own choice knows no weights.
    """

    def select_renderer(self, request: Request, renderers: Iterable[Any], format_suffix: str | None = None) -> Any:
        """Return the renderer and the media type. Raises: NotAcceptable."""
        forms = {each.media_type: each for each in renderers}
        preferred = request._request.get_preferred_type(list(forms))  # noqa: SLF001  Django's request knows weights
        if preferred is not None:
            return forms[preferred], preferred
        if CONTENT_TYPE in {each.partition(";")[0].strip().lower() for each in self.get_accept_list(request)}:
            return next(iter(forms.values())), next(iter(forms))
        raise NotAcceptable(f"This comes as {' or '.join(forms)}.")
