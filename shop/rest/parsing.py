"""Reading a request's JSON without surprises: bounded in size and depth, and nothing in it that cannot be stored."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework import parsers
from rest_framework.exceptions import APIException, ParseError

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class PayloadTooLarge(APIException):
    """The body is larger than DATA_UPLOAD_MAX_MEMORY_SIZE."""

    status_code = 413
    default_detail = "The request is too large"
    default_code = "payload_too_large"


class JSONParser(parsers.JSONParser):
    """DRF's parser reads the stream past Django's own limit on bodies; this one keeps it."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Return the parsed body. Raises: PayloadTooLarge, ParseError. A compressed one is refused on arrival."""
        limit: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        raw = stream.read(limit + 1)
        if len(raw) > limit:
            raise PayloadTooLarge
        return read_json(raw)


def read_json(raw: bytes) -> Any:
    """Return what a body holds: what can be stored, each name once. Raises: ParseError."""
    try:
        body = json.loads(raw.decode("utf-8"), parse_constant=_refuse_constant, object_pairs_hook=_distinct)
        if _SURROGATE.search(raw):
            json.dumps(body, ensure_ascii=False).encode("utf-8")
    except RecursionError as error:
        raise ParseError("The JSON is nested too deeply.") from error
    except ValueError as error:
        raise ParseError(f"This is not JSON in UTF-8: {error}") from error
    return body


def _distinct(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object whose names differ: of two members with one name, readers on the way take different ones."""
    made = dict(members)
    if len(made) < len(members):
        raise ValueError("a name appears twice in one object")
    return made


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
