"""Data converted to types by msgspec, whose first use of a type is not safe among threads.

It keeps a type's description where other threads find it before the description is complete. A thread that converts to
the same type meanwhile reads nothing where a field's type should be, and the process dies of it (SIGSEGV).
"""

from __future__ import annotations

import threading
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_described: set[type[Any]] = set()
_describing = threading.Lock()


def convert(data: object, wanted: type[T], *, strict: bool) -> T:
    """Return the data as `wanted`, a dataclass or msgspec.Struct. Raises: msgspec.ValidationError, UnicodeError."""
    if wanted not in _described:
        with _describing:
            msgspec.json.Decoder(wanted)
            _described.add(wanted)
    return msgspec.convert(data, wanted, strict=strict)
