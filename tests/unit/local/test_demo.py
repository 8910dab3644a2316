"""The demo's own world, whatever the environment names."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from local.demo import __main__ as demo
from local.demo import journey as journeys
from local.demo.customers import Customer, JourneyFailed
from local.demo.journey import Journey, wait_for
from local.processes import Process, StartFailed, python
from shop.story import timeline


def test_the_demo_asks_nobody_for_money_but_its_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {
        "STRIPE_API_KEY": "sk_live_of_somebody",
        "STRIPE_WEBHOOK_SECRETS": "whsec_of_somebody",
        "PAYMENT_PROVIDER": "somewhere.else",
        "DATABASE_URL": "postgresql://somewhere",
    }
    monkeypatch.setattr(os, "environ", environment)
    monkeypatch.setattr(demo, "_run", lambda home, began: 0)
    monkeypatch.setattr(demo, "_own_names", contextlib.nullcontext)

    assert demo.main() == 0

    assert environment == {"DATABASE_URL": "postgresql://somewhere"}


class Stuck(Customer):
    """A customer whose order does not go on, of a shop that may have died."""

    def __init__(self, check: Callable[[], None]) -> None:
        self.stack: Any = type("Shop", (), {"check": staticmethod(check)})

    def order(self, order_id: str) -> dict[str, Any]:
        return {"id": order_id, "status": "SHIPPED"}


class Delivered(Journey):
    """One that is to be delivered."""

    title = "Delivered"
    ends_as = ("DELIVERED",)
    mails = ("confirmed", "shipped")


def watched(check: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> Journey:
    monkeypatch.setattr(timeline, "story_of", lambda _order_id: timeline.Story())
    journey = Delivered(Stuck(check))
    journey.order_id = str(uuid.UUID(int=1))
    return journey


def dies() -> None:
    raise StartFailed("background ended on its own")


def test_a_journey_that_does_not_end_says_what_was_expected_and_what_was_seen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(journeys, "PATIENCE_SECONDS", 0)
    journey = watched(lambda: None, monkeypatch)

    assert journey.finish() == ["Delivered"]

    (line,) = capsys.readouterr().out.splitlines()
    assert line == (
        "    WRONG: expected: DELIVERED, with 2 mails sent; seen: SHIPPED, with 0 sent, when the time was over (0 s)"
    )


def test_a_journey_ends_at_once_where_a_process_of_its_shop_has_died(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StartFailed, match="ended on its own"):
        watched(dies, monkeypatch).finish()

    with pytest.raises(StartFailed, match="ended on its own"):
        wait_for(lambda: "", "the order is recorded", stack=Stuck(dies).stack)


def test_what_does_not_come_about_is_told_with_what_was_seen_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journeys, "PATIENCE_SECONDS", 0)

    with pytest.raises(JourneyFailed) as failed:
        wait_for(lambda: 0, "the provider has the money", stack=Stuck(lambda: None).stack)

    assert str(failed.value) == "expected: the provider has the money; seen: 0, when the time was over (0 s)"


def test_a_process_that_ends_while_it_is_waited_for_is_told_at_once(tmp_path: Any) -> None:
    process = Process("web", python("-c", "print('no port')"), environment={}, log=tmp_path / "web.log")
    process.start()

    with pytest.raises(StartFailed, match=r"web ended while starting.*\s+no port"):
        process.wait_until(lambda: False)
