"""Conditional requests (RFC 9110, section 13), by the version of what is answered: a number, or a hash of the representation."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django.utils.http import parse_etags
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from shop.errors import Refusal


class PreconditionFailed(Refusal):
    """Somebody changed it since the caller read it: read it again, then decide again."""

    code = "precondition_failed"
    title = "It has changed since you read it"
    http_status = 412
    fact_types = {"current_etag": str}


def etag_of(version: int | str) -> str:
    """Return the strong entity tag of a version."""
    return f'"{version}"'


def is_fresh(request: Request, etag: str) -> bool:
    """Return whether the caller holds this version already (If-None-Match, compared weakly)."""
    header = request.headers.get("If-None-Match", "")
    return bool(header) and (
        "*" in parse_etags(header) or etag in {tag.removeprefix("W/") for tag in parse_etags(header)}
    )


def require_match(request: Request, version: int | str) -> None:
    """Insist that the caller means this version, where an If-Match header says which. Raises: PreconditionFailed."""
    header = request.headers.get("If-Match")
    if header is not None and not {"*", etag_of(version)} & set(parse_etags(header)):
        raise PreconditionFailed(current_etag=etag_of(version))


def publicly_cached(request: Request, response: Response, *, seconds: int) -> Response:
    """Let every cache keep an answer that is the same for all callers; 304 where the caller holds it already.

    The tag is weak: compressed or not, it is the same answer, and a 304 names the tag of the 200 (RFC 9110, 15.4.5).
    """
    text = json.dumps(response.data, sort_keys=True, default=str)
    etag = etag_of(hashlib.sha256(text.encode()).hexdigest()[:32])
    if is_fresh(request, etag):
        response.data, response.status_code = None, status.HTTP_304_NOT_MODIFIED
    response["ETag"] = f"W/{etag}"
    response["Cache-Control"] = f"public, max-age={seconds}"
    return response


def conditional_response(request: Request, data: Any, *, version: int | str) -> Response:
    """Answer a read: 304 where the caller holds this version, else the data with its ETag."""
    etag = etag_of(version)
    headers = {
        "ETag": etag,
        "Cache-Control": "private, no-cache",
        "Vary": "Authorization, X-Session-Token, X-Order-Token",
    }
    if is_fresh(request, etag):
        return Response(status=status.HTTP_304_NOT_MODIFIED, headers=headers)
    return Response(data, headers=headers)
