"""Every way an answer can go wrong, seen from Stripe's SDK."""

from __future__ import annotations

import contextlib
import http.client
import time
from typing import Any

import pytest
import stripe

from local.stripe import Sandbox
from local.stripe.faults import KINDS

from .clients import Control, Shop, until

CREATE = "/v1/payment_intents"


def intents_made(shop: Shop) -> int:
    return len(shop.intents.list({"limit": 100}).data)


def hits(control: Control) -> int:
    return int(control.get("faults")["faults"][0]["hits"])


def test_late_answer_times_out_though_the_effect_is_done(sandbox: Sandbox, shop: Shop, control: Control) -> None:
    control.fault("late", path=CREATE, delay_seconds=60)

    with pytest.raises(stripe.APIConnectionError):
        Shop(sandbox.url, timeout=0.3).create(key="k1")

    assert intents_made(shop) == 1
    assert shop.create(key="k1").last_response.headers["Idempotent-Replayed"] == "true"  # type: ignore[attr-defined]


def test_late_answer_arrives_when_the_client_is_patient(shop: Shop, control: Control) -> None:
    control.fault("late", path=CREATE, delay_seconds=0.3)
    before = time.monotonic()

    shop.create()

    assert time.monotonic() - before >= 0.3


@pytest.mark.parametrize("kind", ["late_effect", "late_effect_dropped"])
def test_late_effect_happens_after_the_client_has_gone(
    sandbox: Sandbox, shop: Shop, control: Control, kind: str
) -> None:
    control.fault(kind, path=CREATE, delay_seconds=5.0)

    with pytest.raises(stripe.APIConnectionError):
        Shop(sandbox.url, timeout=0.2).create(key="k1")

    assert intents_made(shop) == 0
    until(lambda: intents_made(shop) == 1)
    shop.create(key="k1")
    assert intents_made(shop) == 1


def test_late_confirm_bounces_off_an_intent_canceled_meanwhile(sandbox: Sandbox, shop: Shop, control: Control) -> None:
    intent = shop.create()
    control.fault("late_effect", path="/v1/payment_intents/*/confirm", delay_seconds=5.0)
    with pytest.raises(stripe.APIConnectionError):
        Shop(sandbox.url, timeout=0.2).intents.confirm(
            intent.id, {"payment_method": "pm_card_visa"}, {"idempotency_key": "c1"}
        )

    shop.intents.cancel(intent.id)

    def answered() -> bool:
        try:
            shop.intents.confirm(intent.id, {"payment_method": "pm_card_visa"}, {"idempotency_key": "c1"})
        except stripe.InvalidRequestError as error:
            return error.code == "payment_intent_unexpected_state"
        except stripe.APIError:
            return False
        raise AssertionError("a canceled intent was confirmed")

    until(answered)
    assert control.get("ledger")["totals"]["eur"]["authorized"] == 0


def test_request_never_answered_has_no_effect(sandbox: Sandbox, shop: Shop, control: Control) -> None:
    control.fault("never", path=CREATE)

    with pytest.raises(stripe.APIConnectionError):
        Shop(sandbox.url, timeout=0.2).create(key="k1")

    assert intents_made(shop) == 0


def test_silence_ends_with_the_delay(shop: Shop, control: Control) -> None:
    control.fault("never", path=CREATE, delay_seconds=0.2)

    with pytest.raises(stripe.APIConnectionError):
        shop.create()

    assert intents_made(shop) == 0


@pytest.mark.parametrize(("kind", "effects"), [("lost_answer", 1), ("lost_request", 0), ("reset", 0)])
def test_broken_connection(shop: Shop, control: Control, kind: str, effects: int) -> None:
    control.fault(kind, path=CREATE)

    with pytest.raises(stripe.APIConnectionError):
        shop.create(key="k1")

    assert intents_made(shop) == effects
    shop.create(key="k1")
    assert intents_made(shop) == 1


def test_reset_is_a_reset_and_not_an_orderly_end(sandbox: Sandbox, control: Control) -> None:
    control.fault("reset", method="GET")
    connection = http.client.HTTPConnection(sandbox.url.removeprefix("http://"), timeout=60)

    connection.request("GET", "/v1/events", headers={"Authorization": "Bearer sk_test_sandbox"})

    with pytest.raises(ConnectionResetError) as caught:
        connection.getresponse()
    assert not isinstance(caught.value, http.client.RemoteDisconnected)


def test_500_before_the_effect_heals_under_the_same_key(shop: Shop, control: Control) -> None:
    control.fault("error_500", path=CREATE)

    with pytest.raises(stripe.APIError) as caught:
        shop.create(key="k1")

    assert (caught.value.http_status, intents_made(shop)) == (500, 0)
    shop.create(key="k1")
    assert intents_made(shop) == 1


def test_500_after_the_effect_is_replayed_for_ever(shop: Shop, control: Control) -> None:
    intent = shop.create()
    control.fault("error_500_after_effect", path="/v1/payment_intents/*/confirm", times=1)

    for _ in range(3):
        with pytest.raises(stripe.APIError) as caught:
            shop.intents.confirm(intent.id, {"payment_method": "pm_card_visa"}, {"idempotency_key": "c1"})
        assert caught.value.http_status == 500

    assert caught.value.headers is not None
    assert caught.value.headers["Idempotent-Replayed"] == "true"
    assert caught.value.headers["Stripe-Should-Retry"] == "false"
    assert shop.intents.retrieve(intent.id).status == "requires_capture"
    assert control.get("ledger")["payment_intents"][0]["authorizations"] == 1


def test_500_after_effect_passes_over_replays(shop: Shop, control: Control) -> None:
    shop.create(key="k1")
    control.fault("error_500_after_effect", path=CREATE)

    shop.create(key="k1")

    assert hits(control) == 0


def test_rate_limit_is_429_without_effect(shop: Shop, control: Control) -> None:
    control.fault("rate_limited", path=CREATE)

    with pytest.raises(stripe.RateLimitError):
        shop.create(key="k1")

    assert intents_made(shop) == 0
    shop.create(key="k1")


def test_conflict_is_409_without_effect(shop: Shop, control: Control) -> None:
    control.fault("conflict_409", path=CREATE)

    with pytest.raises(stripe.APIError) as caught:
        shop.create(key="k1")

    assert (caught.value.http_status, intents_made(shop)) == (409, 0)


def test_fault_hits_only_what_it_matches_and_only_so_often(shop: Shop, control: Control) -> None:
    mine, other = shop.authorized(metadata={"order_id": "mine"}), shop.authorized(metadata={"order_id": "other"})
    control.fault("rate_limited", path="/v1/payment_intents/*/capture", metadata={"order_id": "mine"}, times=2)

    shop.intents.capture(other.id)
    for _ in range(2):
        with pytest.raises(stripe.RateLimitError):
            shop.intents.capture(mine.id)
    shop.intents.capture(mine.id)

    (shown,) = control.get("faults")["faults"]
    assert (shown["hits"], shown["remaining"], shown["times"]) == (2, 0, 2)


def test_fault_on_refunds_is_matched_by_the_order_of_the_payment(shop: Shop, control: Control) -> None:
    intent = shop.captured(metadata={"order_id": "mine"})
    control.fault("rate_limited", path="/v1/refunds", metadata={"order_id": "mine"})

    with pytest.raises(stripe.RateLimitError):
        shop.refunds.create({"payment_intent": intent.id})


def test_fault_without_end_lasts_until_cleared(shop: Shop, control: Control) -> None:
    control.fault("rate_limited", path=CREATE, times=None)
    for _ in range(3):
        with pytest.raises(stripe.RateLimitError):
            shop.create()

    control.call("DELETE", "faults")

    shop.create()
    assert control.get("faults")["faults"] == []


def test_sdk_retry_after_a_lost_answer_charges_once(sandbox: Sandbox, shop: Shop, control: Control) -> None:
    control.fault("lost_answer", path=CREATE)

    intent = Shop(sandbox.url, retries=2).authorized()

    assert intent.status == "requires_capture"
    assert control.get("ledger")["totals"]["eur"]["authorizations"] == 1


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"fault": "surprise"},
        {"fault": "late", "times": 0},
        {"fault": "late", "delay_seconds": -1},
        {"fault": "late", "match": {"host": "x"}},
        {"fault": "late", "match": []},
        {"fault": "late", "surprise": 1},
    ],
)
def test_unclear_fault_is_refused(control: Control, asked: dict[str, Any]) -> None:
    assert control.refused("faults", asked)
    assert control.get("faults")["faults"] == []


def test_every_kind_of_fault_leaves_the_sandbox_serving(sandbox: Sandbox, shop: Shop, control: Control) -> None:
    for kind in KINDS:
        control.fault(kind, path=CREATE, delay_seconds=0.05)
        with contextlib.suppress(stripe.StripeError):
            shop.create()

    assert all(fault["remaining"] == 0 for fault in control.get("faults")["faults"])
    assert shop.create().status == "requires_payment_method"
