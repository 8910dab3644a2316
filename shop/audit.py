"""The audit: every promise of docs/architecture.md as a check that names each violation.

A context registers its checks in its apps.py; `manage.py audit` runs them all. A check reads committed state and may
be run at any time; a check marked `at_rest` may only speak about what has been still for a while.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Violation:
    """One broken promise: which, where, and the facts that show it."""

    promise: str
    subject: str
    detail: str


@dataclass(frozen=True)
class Check:
    """One promise, as one context can check it."""

    promise: str
    context: str
    title: str
    run: Callable[[], Iterable[Violation]]


_checks: dict[tuple[str, str, str], Check] = {}


def register_check(check: Check) -> None:
    """Have `check` run with every audit."""
    _checks[check.promise, check.context, check.title] = check


def checks() -> tuple[Check, ...]:
    """Return every registered check, by the number of its promise."""
    return tuple(sorted(_checks.values(), key=lambda check: (int(check.promise.lstrip("I")), check.context)))


def violations() -> Iterator[Violation]:
    """Yield every violation of every promise."""
    for check in checks():
        yield from check.run()
