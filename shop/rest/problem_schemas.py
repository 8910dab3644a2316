"""The problems in the API's description: one component for each code, with the types of its facts."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from shop.errors import ShopError
from shop.money import Money
from shop.rest.problem import CONTENT_TYPE, EDGE_PROBLEMS

Schema = dict[str, Any]
# An error class, or the code of one of EDGE_PROBLEMS.
Kind = type[ShopError] | str
# The component of a 401 of sign-in: its code is not_authenticated, and it says what is pending.
SIGNED_OUT = "NotSignedInProblem"
# Problems that name the members of the request that are wrong.
WITH_ERRORS = {"invalid_request", "card_number_refused"}
_TYPES: dict[Any, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    dict: {"type": "object", "additionalProperties": True},
    UUID: {"type": "string", "format": "uuid"},
    Money: {"$ref": "#/components/schemas/Money"},
}
_MEMBERS: dict[str, Schema] = {
    "type": {"type": "string", "format": "uri-reference", "examples": ["/problems/insufficient_stock"]},
    "title": {"type": "string"},
    "status": {"type": "integer"},
    "detail": {"type": "string"},
    "instance": {
        "type": "string",
        "format": "uri",
        "description": "Names the request: X-Request-ID written as a UUID.",
    },
    "code": {"type": "string", "examples": ["insufficient_stock"]},
}
_TRACE: dict[str, Schema] = {
    "trace_id": {
        "type": "string",
        "pattern": "^[0-9a-f]{32}$",
        "description": "Under which the logs tell what happened; X-Request-ID, unless a traceparent was sent.",
    }
}
_ERRORS: Schema = {"type": "array", "items": {"$ref": "#/components/schemas/ProblemError"}}
COMPONENTS: dict[str, Schema] = {
    "Problem": {
        "type": "object",
        "description": "RFC 9457 problem details. `code` is stable; decide by it, not by the texts. Each code has a component.",
        "required": list(_MEMBERS),
        "properties": _MEMBERS
        | _TRACE
        | {"facts": {"type": "object", "additionalProperties": True}, "errors": _ERRORS},
    },
    "ProblemError": {
        "type": "object",
        "description": "A member of the request that is wrong.",
        "required": ["pointer", "detail"],
        "properties": {
            "pointer": {"type": "string", "description": "RFC 6901, as a URI fragment."},
            "detail": {"type": "string"},
            "code": {"type": "string", "description": "Of sign-in only: stable, `email_taken` for one."},
        },
    },
}


class ProblemComponents:
    """Collects the codes that operations name, and makes a component of each."""

    def __init__(self) -> None:
        self._kinds: dict[str, Kind] = {}
        self._added: dict[str, dict[str, Any]] = {}

    def response(self, kinds: Iterable[Kind], *, added: Mapping[str, Any]) -> Schema:
        """Return the content of a response that is one of these problems. `added`: facts that the operation adds."""
        codes = set()
        for kind in kinds:
            code = kind if isinstance(kind, str) else kind.code
            self._kinds[code] = kind
            self._added.setdefault(code, {}).update(added)
            codes.add(code)
        named = {code: f"#/components/schemas/{name_of(code)}" for code in sorted(codes)}
        if len(named) == 1:
            return {CONTENT_TYPE: {"schema": {"$ref": next(iter(named.values()))}}}
        schema = {
            "oneOf": [{"$ref": reference} for reference in named.values()],
            "discriminator": {"propertyName": "code", "mapping": named},
        }
        return {CONTENT_TYPE: {"schema": schema}}

    def schemas(self) -> dict[str, Schema]:
        """Return the components by name."""
        made = {name_of(code): self.component(code) for code in self._kinds}
        for kind in self._kinds.values():
            made |= {} if isinstance(kind, str) else objects_in(kind.fact_types)
        return COMPONENTS | dict(sorted(made.items()))

    def component(self, code: str) -> Schema:
        """Return the component of a code that an operation has named."""
        kind = self._kinds[code]
        title = EDGE_PROBLEMS[kind][0] if isinstance(kind, str) else kind.title
        properties = _MEMBERS | _TRACE | {"code": {"type": "string", "const": code}}
        required = list(_MEMBERS)
        facts = facts_schema(kind, added=self._added[code])
        if facts is not None:
            properties = properties | {"facts": facts}
            required += ["facts"] if facts.get("required") else []
        if code in WITH_ERRORS:
            properties = properties | {"errors": _ERRORS}
        return {"type": "object", "description": f"{title}.", "required": required, "properties": properties}


def name_of(code: str) -> str:
    """Return the name of a code's component."""
    return "".join(word.capitalize() for word in code.split("_")) + "Problem"


def facts_schema(kind: Kind, *, added: Mapping[str, Any]) -> Schema | None:
    """Return the type of a problem's facts, None where it has none. What an operation adds is not always there."""
    own: Mapping[str, Any] = {} if isinstance(kind, str) else kind.fact_types
    properties = {name: _type_of(of) for name, of in {**added, **own}.items()}
    if not properties:
        return None
    required = sorted(name for name, of in own.items() if not _is_optional(of))
    return {"type": "object", "properties": properties} | ({"required": required} if required else {})


def objects_in(facts: Mapping[str, Any]) -> dict[str, Schema]:
    """Return a component for each dataclass that a fact is a list of: inline, generated clients would drop its model."""
    listed = [of for fact in facts.values() for of in typing.get_args(fact) if isinstance(of, type)]
    return {of.__name__: _object_of(of) for of in listed if dataclasses.is_dataclass(of) and of not in _TYPES}


def _object_of(kind: type[Any]) -> Schema:
    members = {name: _type_of(of) for name, of in typing.get_type_hints(kind).items()}
    described = " ".join((kind.__doc__ or "").split())
    return {"type": "object", "description": described, "required": list(members), "properties": members}


def _is_optional(of: Any) -> bool:
    return isinstance(of, types.UnionType) and types.NoneType in typing.get_args(of)


def _type_of(of: Any) -> Schema:
    if _is_optional(of):
        (of,) = (each for each in typing.get_args(of) if each is not types.NoneType)
    if typing.get_origin(of) is list:
        return {"type": "array", "items": _type_of(typing.get_args(of)[0])}
    if of not in _TYPES and isinstance(of, type) and dataclasses.is_dataclass(of):
        return {"$ref": f"#/components/schemas/{of.__name__}"}
    return _TYPES[of]
