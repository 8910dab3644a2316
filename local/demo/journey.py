"""A journey of the demo: what every one does, and how it is judged."""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Callable
from typing import Any

import requests

from local.demo.customers import Customer, JourneyFailed
from local.stack import Stack
from local.waiting import PATIENCE_SECONDS

# An order that is confirmed goes on to be shipped; a journey that is about the payment does not wait for the parcel.
CONFIRMED = ("CONFIRMED", "SHIPPED", "DELIVERED")


class Journey:
    """One journey: begin it, watch it to its end, judge the end."""

    title = ""
    takes_long = False
    ends_as: tuple[str, ...] = CONFIRMED
    mails: tuple[str, ...] = ("confirmed",)

    def __init__(self, shopper: Customer) -> None:
        self.shopper = shopper
        self.order_id = ""
        self._told: set[tuple[object, str]] = set()
        self._first: Any = None
        self.wrong: list[str] = []

    def begin(self) -> None:
        """Place the order and do what the customer does."""
        raise NotImplementedError(self.title)

    def finish(self) -> list[str]:
        """Tell the order's timeline until it has ended; return the journey's title if it ended otherwise."""
        status, mailed = self._watch()
        self.expect(
            status in self.ends_as and mailed >= len(self.mails),
            f"{' or '.join(self.ends_as)}, with {len(self.mails)} mails sent",
            seen=f"{status}, with {mailed} sent, when the time was over ({PATIENCE_SECONDS:.0f} s)",
        )
        self.judge()
        for line in self.wrong:
            say(f"    WRONG: {line}")
        if not self.wrong:
            say(f"    as it should: {self.ends_as[0].lower()}, {' and '.join(self.mails)} mail sent")
        return [self.title] if self.wrong else []

    def judge(self) -> None:
        """Check what the journey promises besides its status."""

    def expect(self, condition: bool, what: str, *, seen: object) -> None:
        """Note what was expected and did not come, and what was seen instead."""
        if not condition:
            self.wrong.append(f"expected: {what}; seen: {seen}")

    def expect_next_action(self, order: dict[str, Any], wanted: str) -> None:
        """Expect that the storefront is told to do this."""
        found = order.get("next_action")
        self.expect(found == wanted, f"the next action {wanted}", seen=found)

    def expect_charges(self, count: int) -> None:
        """Expect that the provider took this order's money so often."""
        found = self.captures()
        self.expect(found == count, f"{count or 'no'} charge at the provider", seen=found)

    def expect_intents(self, count: int) -> None:
        """Expect that the provider was asked for so many payments."""
        found = [str(intent.get("id")) for intent in intents_of(self.ledger())]
        self.expect(len(found) == count, f"{count or 'no'} payment intent at the provider", seen=found)

    def told(self, response: requests.Response, status: int, *, path: str = "/api/v1/orders") -> dict[str, Any]:
        """Say how the API answered."""
        body: dict[str, Any] = response.json()
        outcome = body.get("code") or f"{body.get('status')}, next action: {body.get('next_action')}"
        say(f"    POST {path} -> {response.status_code} {outcome}")
        self.expect(
            response.status_code == status,
            f"the answer {status}",
            seen=f"{response.status_code}: {response.text[:300]}",
        )
        return body

    def answered(self, response: requests.Response, status: int, *, path: str = "/api/v1/orders") -> dict[str, Any]:
        """Say how the API answered, and remember the order it names."""
        body = self.told(response, status, path=path)
        self.order_id = self.order_id or str(body.get("id") or body.get("facts", {}).get("order_id", ""))
        if not self.order_id:
            raise JourneyFailed(f"{self.title}: the answer names no order: {response.text[:500]}")
        return body

    def ledger(self) -> dict[str, Any]:
        """Return the provider's own books on this order."""
        found: dict[str, Any] = self.shopper.sandbox(f"ledger?order_id={self.order_id}")
        return found

    def captures(self) -> int:
        """Return how often the provider took this order's money."""
        return sum(int(intent.get("captures", 0)) for intent in intents_of(self.ledger()))

    def _watch(self) -> tuple[str, int]:
        """Tell what happens until the order has ended as it should, or time is over; return its status and how many mails were sent.

        Raises: StartFailed where a process of the shop has ended.
        """
        from shop.story.timeline import story_of

        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            in_time = time.monotonic() < deadline
            story = story_of(uuid.UUID(self.order_id))
            for happening in story.happened:
                mark = (happening.at, happening.what)
                if mark not in self._told:
                    self._told.add(mark)
                    self._first = self._first or happening.at
                    offset = (happening.at - self._first).total_seconds()
                    say(f"    {offset:+8.3f}s  {happening.context:<14} {happening.what}")
            mailed = sum(happening.fact == "email.sent" for happening in story.happened)
            status = str(self.shopper.order(self.order_id)["status"])
            if (status in self.ends_as and mailed >= len(self.mails)) or not in_time:
                return status, mailed
            self.shopper.stack.check()
            time.sleep(0.1)


def intents_of(ledger: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the payments that the provider's books hold of an order."""
    found = ledger.get("payment_intents", [])
    return list(found.values()) if isinstance(found, dict) else list(found)


def wait_for(ask: Callable[[], Any], what: str, *, stack: Stack) -> Any:
    """Ask until the answer is true, and return it. Raises: JourneyFailed; StartFailed where a process of the shop has ended."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (answer := ask()):
        stack.check()
        if time.monotonic() > deadline:
            raise JourneyFailed(
                f"expected: {what}; seen: {answer!r}, when the time was over ({PATIENCE_SECONDS:.0f} s)"
            )
        time.sleep(0.02)
    return answer


def say(line: str, *, end: str = "\n") -> None:
    """Print a line at once."""
    sys.stdout.write(line + end)
    sys.stdout.flush()
