"""OpenAPI: what drf-spectacular cannot see - headers, links, money as one component, and the problems of every call.

What one handler alone answers stands on it (shop.rest.documented); what the edge answers to all of them stands here.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from drf_spectacular.extensions import OpenApiSerializerExtension, OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter

from shop.errors import Busy, Fault
from shop.rest.arrival import BodyUnreadable, HeaderRepeated, LengthRequired
from shop.rest.documented import ALWAYS, HEADERS, Documented
from shop.rest.examples import add_examples
from shop.rest.idempotency import (
    NOT_FINAL,
    CardNumberSent,
    IdempotencyKeyMalformed,
    IdempotencyKeyMissing,
    IdempotencyKeyReused,
)
from shop.rest.introduction import INTRODUCTION, TAGS
from shop.rest.keys import HEADER
from shop.rest.preconditions import PreconditionFailed
from shop.rest.problem_schemas import Kind, ProblemComponents
from shop.rest.sign_in_schema import add_sign_in

UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}
IF_MATCH = OpenApiParameter(
    "If-Match", str, OpenApiParameter.HEADER, description="Do it only while the order has this ETag; else 412."
)
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match", str, OpenApiParameter.HEADER, description="Answer 304 while the ETag is still one of these."
)
_DOCUMENTED = "x-documented"
_MONEY_MEMBERS: dict[str, Any] = {
    "amount_minor": {"type": "integer", "description": "minor units: cents, yen, fils; only a discount is negative"},
    "currency": {"type": "string", "pattern": "^[A-Z]{3}$", "description": "ISO 4217"},
    "exponent": {
        "type": "integer",
        "description": "The currency's number of decimals in ISO 4217. If it is sent, it must match the currency.",
        "examples": [2],
    },
    "formatted": {
        "type": "string",
        "examples": ["24.50"],
        "description": "For people. Ignored if it is sent.",
    },
}
MONEY: dict[str, Any] = {
    "Money": {
        "type": "object",
        "description": "An amount.",
        "required": list(_MONEY_MEMBERS),
        "properties": _MONEY_MEMBERS,
    },
    "MoneyRequest": {
        "type": "object",
        "description": "An amount; one that this API gave can be sent as it is.",
        "required": ["amount_minor", "currency"],
        "properties": _MONEY_MEMBERS
        | {"amount_minor": {"type": "integer", "minimum": 0, "description": "minor units: cents, yen, fils"}},
        "additionalProperties": False,
    },
}
_TEXTS = {
    "400": "The request is not valid.",
    "401": "No valid session token.",
    "402": "The payment was declined.",
    "403": "This user may not do this, or the token came over plain HTTP.",
    "404": "Nothing of that name exists for this caller.",
    "406": "This address offers none of the types that `Accept` names.",
    "409": "The current state does not allow it.",
    "411": "The body has no Content-Length, and this server cannot tell where it ends.",
    "412": "It has changed since the caller read it.",
    "413": "The body is larger than 64 KiB.",
    "415": "The body is not JSON, or it is compressed (`Content-Encoding`).",
    "422": "The Idempotency-Key was used for another request, or the request holds a card number.",
    "429": "Too many requests; Retry-After says when.",
    "500": "A bug; it is logged under the request's id.",
    "503": "A dependency is unavailable; Retry-After says when.",
}


class Schema(AutoSchema):
    """Documents the Idempotency-Key header of every handler that `idempotent` wraps, and what `documented` says."""

    def get_operation(self, *arguments: Any, **keywords: Any) -> dict[str, Any] | None:
        """Describe it as drf-spectacular does, and leave what stands on the handler for the hook below."""
        operation: dict[str, Any] | None = super().get_operation(*arguments, **keywords)
        told = getattr(self._handler(), "documented", None)
        if operation is not None and told is not None:
            operation[_DOCUMENTED] = told
        return operation

    def _handler(self) -> Any:
        return getattr(self.view, getattr(self.view, "action", None) or self.method.lower(), None)

    def get_override_parameters(self) -> list[Any]:
        """Add the header to unsafe, idempotent calls."""
        return [*super().get_override_parameters(), *self._idempotency_header()]

    def _idempotency_header(self) -> list[OpenApiParameter]:
        if self.method not in UNSAFE or not getattr(self._handler(), "idempotent", False):
            return []
        return [
            OpenApiParameter(
                name=HEADER,
                location=OpenApiParameter.HEADER,
                required=True,
                description="A fresh UUID per intention; the same one on every retry of it.",
                type={"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-+\\--~]+$"},
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


class MoneyFieldSchema(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    """Names one component for every amount: a client has one type of it."""

    target_class = "shop.rest.fields.MoneyField"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        """Refer to the component of this direction."""
        return {"$ref": f"#/components/schemas/{'MoneyRequest' if direction == 'request' else 'Money'}"}


def complete(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Give every operation its problems, headers and links (drf-spectacular's post-processing hook)."""
    components = result.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    problems = ProblemComponents()
    for path, item in result.get("paths", {}).items():
        for method, operation in item.items():
            if isinstance(operation, dict) and "responses" in operation:
                _complete_operation(path, method.upper(), operation, problems)
    if public:
        result["info"]["description"] = INTRODUCTION
        result["tags"] = TAGS
        add_sign_in(result, problems)
        add_examples(result)
    if shared := _share_responses(result):
        components["responses"] = shared
    schemas.update(MONEY)
    schemas.update(problems.schemas())
    _take_defaults_off_requests(schemas)
    _say_null(schemas)
    components["schemas"] = dict(sorted(schemas.items()))
    components["headers"] = HEADERS
    # The page's dialog puts the cursor into the last one: the one that most operations take.
    schemes = components.get("securitySchemes", {})
    if "bearerToken" in schemes:
        schemes["bearerToken"] = schemes.pop("bearerToken")
    return result


def _complete_operation(path: str, method: str, operation: dict[str, Any], problems: ProblemComponents) -> None:
    told: Documented = operation.pop(_DOCUMENTED, Documented())
    answers: dict[str, Any] = operation["responses"]
    parameters = {parameter.get("name") for parameter in operation.get("parameters", [])}
    kinds = _problems_of_the_edge(path, method, operation, parameters)
    for status, own in told.problems.items():
        kinds[status] = [*kinds.get(status, ()), *own]
    for status, each in kinds.items():
        text = answers.get(status, {}).get("description") or _TEXTS[status]
        content = problems.response(each, added=told.adds.get(status, {}))
        answers[status] = {"description": text, "content": content}
    for status, text in told.bodyless.items():
        answers[status] = {"description": text}
    for status, answer in answers.items():
        names = [*told.headers.get(status, ()), *_headers_of(status, is_idempotent=HEADER in parameters), *ALWAYS]
        answer["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in dict.fromkeys(names)}
        if links := told.links.get(status):
            answer["links"] = {to: {"operationId": to, "parameters": dict(given)} for to, given in links.items()}
    operation["responses"] = dict(sorted(answers.items()))


def _problems_of_the_edge(
    path: str, method: str, operation: dict[str, Any], parameters: set[str | None]
) -> dict[str, list[Kind]]:
    """Return the problems that the edge itself may answer to this operation, by status."""
    is_public = not operation.get("security") or {} in operation["security"]
    kinds: dict[str, list[Kind]] = {
        "400": ["invalid_request", "malformed_request", HeaderRepeated, BodyUnreadable],
        "401": ["authentication_failed", *([] if is_public else ["not_authenticated"])],
        "403": ["https_required"],
        "406": ["not_acceptable"],
        "429": ["throttled"],
        "500": ["internal_error"],
        # The gateway answers `unavailable` where it reaches no process of the shop.
        "503": ["database_unavailable", Busy, Fault],
    }
    if "{" in path:
        kinds["404"] = ["not_found"]
    if method in UNSAFE:
        kinds |= {"411": [LengthRequired], "413": ["payload_too_large"], "415": ["unsupported_media_type"]}
    if HEADER in parameters:
        kinds["400"] += [IdempotencyKeyMissing, IdempotencyKeyMalformed]
        kinds["422"] = [IdempotencyKeyReused, CardNumberSent]
    if IF_MATCH.name in parameters:
        kinds["412"] = [PreconditionFailed]
    return kinds


def _headers_of(status: str, *, is_idempotent: bool) -> list[str]:
    """Return the headers that every answer of this status has, or may have."""
    names = []
    if status == "401":
        names.append("WWW-Authenticate")
    if status in {"202", "429", "503"}:
        names.append("Retry-After")
    if is_idempotent and status < "500" and int(status) not in NOT_FINAL:
        names.append("Idempotent-Replayed")
    return names


def _share_responses(result: dict[str, Any]) -> dict[str, Any]:
    """Write each answer that several operations have in common once; return them by name."""
    operations = [each for item in result.get("paths", {}).values() for each in item.values() if isinstance(each, dict)]
    uses = Counter(
        (status, repr(answer))
        for operation in operations
        for status, answer in operation.get("responses", {}).items()
        if status >= "400"
    )
    names: dict[tuple[str, str], str] = {}
    variants: Counter[str] = Counter()
    shared = {}
    for operation in operations:
        for status, answer in operation.get("responses", {}).items():
            which = (status, repr(answer))
            if uses[which] > 1:
                if which not in names:
                    variants[status] += 1
                    names[which] = f"Problems{status}" + (f"Variant{variants[status]}" if variants[status] > 1 else "")
                shared[names[which]] = answer
                operation["responses"][status] = {"$ref": f"#/components/responses/{names[which]}"}
    return dict(sorted(shared.items()))


def _take_defaults_off_requests(schemas: dict[str, Any]) -> None:
    """Leave the defaults of what a request may leave out untold: openapi-typescript makes a member with one required."""
    for name, schema in schemas.items():
        for member in schema.get("properties", {}).values() if name.endswith("Request") else ():
            member.pop("default", None)


def _say_null(schemas: dict[str, Any]) -> None:
    """Write null as JSON Schema's own type where drf-spectacular names an enum that holds nothing else."""
    schemas.pop("NullEnum", None)
    for schema in schemas.values():
        for member in schema.get("properties", {}).values():
            if "oneOf" in member:
                member["oneOf"] = [
                    {"type": "null"} if each == {"$ref": "#/components/schemas/NullEnum"} else each
                    for each in member["oneOf"]
                ]
