"""The two kinds of trouble that callers plan for; anything else that is raised is a bug.

A Refusal is the business saying no. A Fault is the outside failing. Each context derives its own classes from these,
beside the code that raises them.
"""

from __future__ import annotations

from typing import Any, ClassVar


class ShopError(Exception):
    """Carry a stable code, a sentence for a human, and the facts as attributes."""

    code: ClassVar[str] = "error"
    title: ClassVar[str] = "Something went wrong"

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
    """The outside failed (timeout, breaker open, dependency down): retried with backoff, answered with a 503."""

    code = "unavailable"
    title = "A dependency is unavailable; try again"
    http_status: ClassVar[int] = 503
    retry_after_seconds: int = 5
