"""Pages by cursor: stable while rows are added, and as quick for the last page as for the first."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError as InvalidValue
from django.core.validators import ProhibitNullCharactersValidator
from drf_spectacular.utils import OpenApiParameter
from rest_framework import pagination
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.response import Response

MAX_PAGE_SIZE = 100
MOST_DIGITS = 9
PAGE_PARAMETERS = [
    OpenApiParameter("cursor", str, description="where the page begins, as `next` or `previous` of another one says"),
    OpenApiParameter(
        "limit", {"type": "integer", "minimum": 1, "maximum": MAX_PAGE_SIZE}, description="how many on the page"
    ),
]


PAGE_QUERY = frozenset({"cursor", "limit"})


class CursorPagination(pagination.CursorPagination):
    """Newest first by default, by an id whose order is the order of making; the cursor is opaque.

    `ordering` may be set by the view (`ordering = ("sku",)`), also by what the queryset computes. `?limit=` asks for
    a page size up to 100. The neighboring pages are in the body (`next`, `previous`) and in the Link header (RFC
    8288).
    """

    ordering = "-id"
    page_size_query_param = "limit"
    max_page_size = MAX_PAGE_SIZE

    def get_page_size(self, request: Any) -> int | None:
        """Return how many are asked for. Raises: ValidationError where that is not a number from 1 to 100."""
        asked = request.query_params.get(self.page_size_query_param)
        if asked is None:
            return self.page_size
        # Of a long row of digits only the length counts: Python refuses to read thousands of them.
        size = int(asked) if asked.isascii() and asked.isdecimal() and len(asked) <= MOST_DIGITS else 0
        if not 1 <= size <= self.max_page_size:
            raise ValidationError({"limit": [f"This must be a whole number from 1 to {self.max_page_size}."]})
        return size

    def decode_cursor(self, request: Any) -> Any:
        """Return where the page begins. Raises: ValidationError for what is not a cursor of ours."""
        try:
            cursor = super().decode_cursor(request)
            if cursor is not None and cursor.position is not None:
                ProhibitNullCharactersValidator()(cursor.position)
                self._ordered_by.to_python(cursor.position)
        except (NotFound, InvalidValue) as error:
            raise ValidationError({"cursor": ["This is not a cursor of this list; start without one."]}) from error
        return cursor

    def get_ordering(self, request: Any, queryset: Any, view: Any) -> tuple[str, ...]:
        """Return the view's own ordering where it names one."""
        ordering = getattr(view, "ordering", None) or self.ordering
        fields = (ordering,) if isinstance(ordering, str) else tuple(ordering)
        first = fields[0].removeprefix("-")
        computed = queryset.query.annotations.get(first)
        self._ordered_by = computed.output_field if computed is not None else queryset.model._meta.get_field(first)
        return fields

    def get_paginated_response(self, data: Any) -> Response:
        """Return the page with its neighbors."""
        return self.answer(data, next_link=self.get_next_link(), previous_link=self.get_previous_link())

    @staticmethod
    def answer(data: Any, *, next_link: str | None, previous_link: str | None) -> Response:
        """Return a page with its neighbors in the body and in the Link header."""
        links = {"next": next_link, "previous": previous_link}
        response = Response({**links, "results": data})
        if link := ", ".join(f'<{url}>; rel="{relation}"' for relation, url in links.items() if url):
            response["Link"] = link.replace('rel="previous"', 'rel="prev"')
        return response

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Describe the page for OpenAPI."""
        link = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": link, "previous": link, "results": schema},
        }
