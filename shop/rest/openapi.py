"""OpenAPI: what drf-spectacular cannot see - the Idempotency-Key header and the problems every call may answer."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter

from shop.rest.idempotency import HEADER
from shop.rest.problem import CONTENT_TYPE

UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}
_PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457 problem details. `code` is stable; decide by it, not by the texts.",
    "required": ["type", "title", "status", "detail", "instance", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "examples": ["/problems/insufficient_stock"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string", "format": "uri", "description": "Names the request as the server's logs do."},
        "code": {"type": "string", "examples": ["insufficient_stock"]},
        "facts": {"type": "object", "additionalProperties": True},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "RFC 6901, as a URI fragment."},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}
_TEXTS = {
    "400": "The request is not valid.",
    "401": "No valid session token.",
    "402": "The payment was declined.",
    "403": "This user may not do this.",
    "404": "Nothing of that name exists for this caller.",
    "406": "This server answers with JSON only.",
    "409": "The state of things does not allow it.",
    "412": "It has changed since the caller read it.",
    "413": "The body is larger than 64 KiB.",
    "415": "The body is not JSON.",
    "422": "The Idempotency-Key was used for another request, or the request holds a card number.",
    "429": "Too many requests; Retry-After says when.",
    "503": "A dependency is unavailable; Retry-After says when.",
}


class Schema(AutoSchema):
    """Documents the Idempotency-Key header of every handler that `idempotent` wraps."""

    def get_override_parameters(self) -> list[Any]:
        """Add the header to unsafe, idempotent calls."""
        return [*super().get_override_parameters(), *self._idempotency_header()]

    def _idempotency_header(self) -> list[OpenApiParameter]:
        handler = getattr(self.view, getattr(self.view, "action", None) or self.method.lower(), None)
        if self.method not in UNSAFE or not getattr(handler, "idempotent", False):
            return []
        return [
            OpenApiParameter(
                name=HEADER,
                location=OpenApiParameter.HEADER,
                required=True,
                description="A fresh UUID per intention; the same one on every retry of it.",
                type={"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"},
            )
        ]


class StrictSerializerSchema(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """Says of every StrictSerializer that it takes no other members."""

    target_class = "shop.rest.fields.StrictSerializer"
    match_subclasses = True

    def map_serializer(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        """Describe it as any serializer, and close it."""
        described: dict[str, Any] = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)  # noqa: SLF001
        return described | {"additionalProperties": False}


def add_problem_responses(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Give every operation the problems that the edge itself may answer (drf-spectacular post-processing hook)."""
    schemas = result.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = _PROBLEM_SCHEMA
    for path, item in result.get("paths", {}).items():
        for method, operation in item.items():
            if not isinstance(operation, dict) or "responses" not in operation:
                continue
            answers = operation["responses"]
            for status in {*_statuses(path, method.upper(), operation), *filter(_is_error, answers)}:
                said = answers.get(status, {})
                if "content" not in said:
                    answers[status] = _problem_response(status) | {name: text for name, text in said.items() if text}
            operation["responses"] = dict(sorted(answers.items()))
    return result


def _is_error(status: str) -> bool:
    return status.startswith(("4", "5"))


def _statuses(path: str, method: str, operation: dict[str, Any]) -> list[str]:
    statuses = ["400", "406", "429", "503"]
    if operation.get("security") and {} not in operation["security"]:
        statuses += ["401", "403"]
    if "{" in path:
        statuses.append("404")
    if method in UNSAFE:
        statuses += ["409", "413", "415"]
    if any(parameter.get("name") == HEADER for parameter in operation.get("parameters", [])):
        statuses.append("422")
    return sorted(statuses)


def _problem_response(status: str) -> dict[str, Any]:
    content = {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    response: dict[str, Any] = {"description": _TEXTS.get(status, "A problem."), "content": content}
    if status in {"429", "503"}:
        response["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}}
    return response
