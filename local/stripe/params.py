"""Parameters of a request: the form encoding with nested keys, and what each endpoint accepts.

Everything refused here is refused before anything is executed, so it is never kept under an idempotency key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from local.stripe import errors

Params = dict[str, Any]
Check = Callable[[str, Any], Any]

LARGEST_INTEGER = 2**63 - 1
MOST_FIELDS = 2000
DEEPEST = 8
MOST_DIGITS = 19
LONGEST_TEXT = 5000
MOST_METADATA = 50
LONGEST_METADATA_KEY = 40
LONGEST_METADATA_VALUE = 500
LARGEST_PAGE = 100


def parse_form(text: str) -> Params:
    """Parse `a[b][c]=d&e[]=f` into nested dicts; `[]` counts up, so a list is a dict with keys "0", "1"... here."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError as error:
        raise errors.invalid(message=f"Invalid request body: {error}", saved=False) from error
    params: Params = {}
    for name, value in pairs:
        keys = [part.removesuffix("]") for part in name.split("[")]
        if len(keys) > DEEPEST:
            raise errors.invalid_parameter(message=f"Invalid parameter name: {name}", param=keys[0])
        inner = params
        for key in keys[:-1]:
            inner = _child(inner, key, name)
        last = keys[-1] or str(len(inner))
        inner[last] = value
    return params


def _child(parent: Params, key: str, name: str) -> Params:
    child = parent.setdefault(key or str(len(parent)), {})
    if not isinstance(child, dict):
        raise errors.invalid_parameter(message=f"Invalid object: {name}", param=name)
    return child


def text(param: str, value: Any) -> str | None:
    """Take a string; an empty one unsets."""
    if not isinstance(value, str):
        raise errors.invalid_parameter(message=f"Invalid string: {value}", param=param, code="parameter_invalid_string")
    if len(value) > LONGEST_TEXT:
        raise errors.invalid_parameter(message="Invalid string: at most 5000 characters", param=param)
    return value or None


def integer(param: str, value: Any) -> int:
    """Take a whole number written in ASCII digits."""
    digits = value.removeprefix("-") if isinstance(value, str) else ""
    if not (digits.isascii() and digits.isdigit()) or len(digits) > MOST_DIGITS or int(digits) > LARGEST_INTEGER:
        raise errors.invalid_parameter(
            message=f"Invalid integer: {value}", param=param, code="parameter_invalid_integer"
        )
    return int(value)


def boolean(param: str, value: Any) -> bool:
    """Take true or false."""
    if value not in ("true", "false"):
        raise errors.invalid_parameter(message=f"Invalid boolean: {value}", param=param)
    return bool(value == "true")


def one_of(*choices: str) -> Check:
    """Take one of these words."""

    def check(param: str, value: Any) -> str:
        if value not in choices:
            listed = ", ".join(choices[:-1]) + f", or {choices[-1]}" if len(choices) > 1 else choices[0]
            raise errors.invalid_parameter(message=f"Invalid {param}: must be one of {listed}", param=param)
        return str(value)

    return check


def texts(param: str, value: Any) -> list[str]:
    """Take a list of strings."""
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise errors.invalid_parameter(message="Invalid array", param=param)
    return list(value.values())


def mapping(param: str, value: Any) -> Params:
    """Take a hash, whatever is in it."""
    if value == "":
        return {}
    if not isinstance(value, dict):
        raise errors.invalid_parameter(message="Invalid object", param=param)
    return value


def metadata(param: str, value: Any) -> dict[str, str] | None:
    """Take metadata: at most 50 keys of 40 characters with values of 500; an empty string unsets them all."""
    if value == "":
        return None
    pairs = mapping(param, value)
    if len(pairs) > MOST_METADATA:
        raise errors.invalid_parameter(message="Metadata can have at most 50 keys", param=param)
    for key, item in pairs.items():
        name = f"{param}[{key}]"
        if not isinstance(item, str):
            raise errors.invalid_parameter(message="Metadata values must be strings", param=name)
        if len(key) > LONGEST_METADATA_KEY or len(item) > LONGEST_METADATA_VALUE:
            raise errors.invalid_parameter(
                message="Metadata keys can have up to 40 characters, values up to 500", param=name
            )
    return pairs


def off_session(param: str, value: Any) -> bool:
    """Take a boolean, or the older words for a true one."""
    return True if value in ("one_off", "recurring") else boolean(param, value)


def moment(param: str, value: Any) -> dict[str, int]:
    """Take a time or a range of times, in Unix seconds."""
    if isinstance(value, str):
        exact = integer(param, value)
        return {"gte": exact, "lte": exact}
    unknown = set(value) - {"gt", "gte", "lt", "lte"}
    if unknown:
        raise _unknown([f"{param}[{key}]" for key in sorted(unknown)])
    return {key: integer(f"{param}[{key}]", item) for key, item in value.items()}


def page_size(param: str, value: Any) -> int:
    """Take how many objects a page has: 1 to 100."""
    size = integer(param, value)
    if not 1 <= size <= LARGEST_PAGE:
        raise errors.invalid_parameter(
            message="This value must be between 1 and 100.", param=param, code="parameter_invalid_integer"
        )
    return size


def anything(param: str, value: Any) -> Any:
    """Take a parameter that Stripe knows and that changes nothing here."""
    return value


def accept(params: Params, *, fields: Mapping[str, Check], required: tuple[str, ...] = ()) -> Params:
    """Check the parameters of a request. Raises: StripeError for one unknown, missing or malformed."""
    unknown = [name for name in params if name not in fields]
    if unknown:
        raise _unknown(unknown)
    for name in required:
        if params.get(name) in (None, "", {}):
            raise errors.missing_parameter(param=name)
    return {name: fields[name](name, value) for name, value in params.items()}


def _unknown(names: list[str]) -> errors.StripeError:
    plural = "s" if len(names) > 1 else ""
    return errors.invalid_parameter(
        message=f"Received unknown parameter{plural}: {', '.join(names)}", param=names[0], code="parameter_unknown"
    )
