"""One key, one effect, one answer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import stripe

from local.stripe import Sandbox
from tests.unit.local.stripe.clients import failure

from .clients import Control, Shop, until


def headers(thing: Any) -> Any:
    return thing.last_response.headers


def test_repeated_key_gives_the_same_intent_marked_as_a_replay(shop: Shop) -> None:
    first = shop.create(key="k1")
    second = shop.create(key="k1")

    assert first.id == second.id
    assert "Idempotent-Replayed" not in headers(first)
    assert headers(second)["Idempotent-Replayed"] == "true"
    assert headers(second)["Original-Request"] == headers(first)["Request-Id"]
    assert headers(second)["Request-Id"] != headers(first)["Request-Id"]
    assert len(shop.intents.list().data) == 1


def test_replay_shows_the_answer_of_then_not_of_now(shop: Shop) -> None:
    intent = shop.create(key="k1")
    shop.intents.cancel(intent.id)

    assert shop.create(key="k1").status == "requires_payment_method"


@pytest.mark.parametrize(
    "other", [{"amount": 6000}, {"metadata": {"a": "b"}}], ids=["another amount", "another parameter"]
)
def test_key_with_other_parameters_is_refused(shop: Shop, other: dict[str, Any]) -> None:
    shop.create(key="k1")

    with pytest.raises(stripe.IdempotencyError) as caught:
        shop.create(key="k1", **other)

    assert (caught.value.http_status, caught.value.error.type) == (400, "idempotency_error")  # type: ignore[union-attr]


def test_key_at_another_address_is_refused(shop: Shop) -> None:
    intent = shop.create(key="k1")

    with pytest.raises(stripe.IdempotencyError, match="endpoint"):
        shop.intents.confirm(intent.id, {"payment_method": "pm_card_visa"}, {"idempotency_key": "k1"})


def test_decline_is_replayed_under_its_key_and_not_under_another(shop: Shop) -> None:
    intent = shop.create()
    for _ in range(2):
        with pytest.raises(stripe.CardError):
            shop.intents.confirm(intent.id, {"payment_method": "pm_card_chargeDeclined"}, {"idempotency_key": "d1"})

    assert shop.event_types().count("charge.failed") == 1


def test_state_error_is_replayed_under_its_key(shop: Shop) -> None:
    intent = shop.create()
    with pytest.raises(stripe.InvalidRequestError):
        shop.intents.capture(intent.id, {}, {"idempotency_key": "c1"})
    shop.intents.confirm(intent.id, {"payment_method": "pm_card_visa"})

    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.intents.capture(intent.id, {}, {"idempotency_key": "c1"})

    assert caught.value.headers is not None
    assert caught.value.headers["Idempotent-Replayed"] == "true"


def test_refused_parameters_are_not_kept(shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        shop.create(key="k1", amount=1)

    assert shop.create(key="k1").amount == 5000


def test_key_is_forgotten_after_a_day(shop: Shop, control: Control) -> None:
    first = shop.create(key="k1")

    control.post("clock", {"advance_seconds": 24 * 60 * 60 - 60})
    assert shop.create(key="k1").id == first.id
    control.post("clock", {"advance_seconds": 61})

    assert shop.create(key="k1", amount=6000).id != first.id


def test_simultaneous_requests_with_one_key_have_one_effect(shop: Shop) -> None:
    def create(_: int) -> str:
        try:
            return shop.create(key="k1").id
        except stripe.APIError as error:
            return str(error.http_status)

    with ThreadPoolExecutor(12) as pool:
        outcomes = set(pool.map(create, range(24)))

    assert len(outcomes - {"409"}) == 1
    assert len(shop.intents.list().data) == 1


def test_key_in_use_is_409_and_then_has_the_answer(shop: Shop, control: Control) -> None:
    control.fault("late_effect", path="/v1/payment_intents", delay_seconds=5.0)

    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(shop.create, key="k1")
        until(lambda: control.get("faults")["faults"][0]["hits"] == 1)
        with pytest.raises(stripe.APIError) as caught:
            shop.create(key="k1")
        first = slow.result()

    assert caught.value.http_status == 409
    assert failure(caught.value)["code"] == "idempotency_key_in_use"
    assert shop.create(key="k1").id == first.id


def test_sdk_retries_through_a_conflict_by_itself(sandbox: Sandbox, control: Control) -> None:
    control.fault("conflict_409", path="/v1/payment_intents")

    intent = Shop(sandbox.url, retries=1).create(key="k1")

    assert intent.id.startswith("pi_")
    assert control.get("faults")["faults"][0]["remaining"] == 0


def test_overlong_key_is_refused(shop: Shop) -> None:
    with pytest.raises(stripe.IdempotencyError):
        shop.create(key="k" * 256)
