"""What a handler tells the API's description beyond its body: its problems, headers and links."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from shop.rest.problem_schemas import Kind

Handler = TypeVar("Handler", bound=Callable[..., Any])

HEADERS: dict[str, dict[str, Any]] = {
    "ETag": {
        "schema": {"type": "string"},
        "description": "The version of this representation, for If-None-Match and If-Match.",
    },
    "Location": {"schema": {"type": "string", "format": "uri"}, "description": "Where the order is."},
    "Link": {"schema": {"type": "string"}, "description": "The neighboring pages, RFC 8288: `next` and `prev`."},
    "Cache-Control": {"schema": {"type": "string"}, "description": "RFC 9111."},
    "Retry-After": {"schema": {"type": "integer"}, "description": "Seconds until it is worth asking again."},
    "Idempotent-Replayed": {
        "schema": {"type": "string", "const": "true"},
        "description": "This is the answer that was kept under the Idempotency-Key; nothing was done again.",
    },
    "Preference-Applied": {
        "schema": {"type": "string", "const": "respond-async"},
        "description": "The order is recorded; the answer did not wait for its outcome.",
    },
    "WWW-Authenticate": {
        "schema": {"type": "string"},
        "description": 'RFC 6750: `Bearer realm="api"`, with `error="invalid_token"` where a token was sent.',
    },
    "RateLimit-Limit": {"schema": {"type": "integer"}, "description": "Requests in a minute."},
    "RateLimit-Remaining": {"schema": {"type": "integer"}, "description": "Requests left of them."},
    "RateLimit-Reset": {"schema": {"type": "integer"}, "description": "Seconds until the first of them is forgotten."},
    "X-Request-ID": {"schema": {"type": "string"}, "description": "Names the request as the server's logs do."},
}
# On every answer that got as far as being counted.
ALWAYS = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "X-Request-ID")


@dataclass(frozen=True)
class Documented:
    """What stands on a handler. Statuses are texts, as OpenAPI has them.

    `adds`: facts that answers of this operation add to a problem's own, by status. `links`: operation -> its parameters.
    """

    problems: Mapping[str, Iterable[Kind]] = field(default_factory=dict)
    adds: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    headers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    links: Mapping[str, Mapping[str, Mapping[str, str]]] = field(default_factory=dict)
    bodyless: Mapping[str, str] = field(default_factory=dict)


def documented(
    *,
    problems: Mapping[int, Iterable[Kind]] | None = None,
    adds: Mapping[int, Mapping[str, Any]] | None = None,
    headers: Mapping[int, tuple[str, ...]] | None = None,
    links: Mapping[int, Mapping[str, Mapping[str, str]]] | None = None,
    bodyless: Mapping[int, str] | None = None,
) -> Callable[[Handler], Handler]:
    """Declare which problems a handler answers itself, the headers of its answers, and the links to what comes next.

    The problems of the edge (a token that is not valid, too many requests) are told without it. `bodyless`: status ->
    what an answer without a body says.
    """
    told = Documented(
        problems=_by_text(problems),
        adds=_by_text(adds),
        headers=_by_text(headers),
        links=_by_text(links),
        bodyless=_by_text(bodyless),
    )

    def mark(handler: Handler) -> Handler:
        handler.documented = told  # type: ignore[attr-defined]
        return handler

    return mark


def _by_text(by_status: Mapping[int, Any] | None) -> dict[str, Any]:
    return {str(status): value for status, value in (by_status or {}).items()}
