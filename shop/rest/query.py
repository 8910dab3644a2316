"""What the query of an address may hold: what the view names, once each. The rest is refused, as unknown members are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.urls.converters import UUIDConverter
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.views import APIView


class StrictQueryView(APIView):
    """A view that refuses the query parameters that it does not name in `query_parameters`, by method."""

    query_parameters: Mapping[str, frozenset[str]] = {}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Let the caller in as APIView does, then look at the query. Raises: ValidationError."""
        super().initial(request, *args, **kwargs)
        if request.META.get("QUERY_STRING"):
            method = "GET" if request.method == "HEAD" else str(request.method)
            refuse_unknown(request, self.query_parameters.get(method, frozenset()))


def refuse_unknown(request: Request, known: frozenset[str]) -> None:
    """Insist that the query holds known parameters, once each. Raises: ValidationError."""
    problems = {}
    for name, values in request.query_params.lists():
        if name not in known:
            problems[name] = ["This query parameter is not known here."]
        elif len(values) > 1:
            problems[name] = ["This query parameter may appear only once."]
    if problems:
        raise ValidationError(problems)


class AnyCaseUUIDConverter(UUIDConverter):
    """A UUID in a path, in capitals or not: both are the same one (RFC 9562, section 4)."""

    regex = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
