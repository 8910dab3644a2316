"""The two kinds of trouble that callers plan for; anything else that is raised is a bug.

A Refusal is the business saying no. A Fault is the outside failing. Each context derives its own classes from these,
beside the code that raises them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class ShopError(Exception):
    """Carry a stable code, a sentence for a human, and the facts as attributes.

    `fact_types`: fact -> its type, with `| None` for one that is not always there. The API's description is made of it.
    """

    code: ClassVar[str] = "error"
    title: ClassVar[str] = "Something went wrong"
    fact_types: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, detail: str = "", **facts: Any) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.facts = facts

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["facts"][name]
        except KeyError:
            raise AttributeError(name) from None


class Refusal(ShopError):
    """The business says no: never retried, never logged as an error, answered with a 4xx."""

    code = "refused"
    title = "The request was refused"
    http_status: ClassVar[int] = 409


class NotFound(Refusal):
    """Nothing of that name exists for this caller; what belongs to another caller does not exist either."""

    code = "not_found"
    title = "Not found"
    http_status = 404


class Fault(ShopError):
    """An outside dependency failed (timeout, breaker open, outage): retried with backoff, answered with a 503."""

    code = "unavailable"
    title = "A dependency is unavailable; try again"
    http_status: ClassVar[int] = 503
    retry_after_seconds: int = 5


class Busy(Fault):
    """Our own side was busy: a lock, a place in a queue or a connection was not available in time.

    Nothing was done. It says nothing about the dependency, so no breaker counts it.
    """

    code = "busy"
    title = "The shop is busy; try again"
    retry_after_seconds: int = 1
