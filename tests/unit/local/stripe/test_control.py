"""The ledger auditors read, the clock, and starting over."""

from __future__ import annotations

import pytest
import stripe

from local.stripe import Sandbox

from .clients import Control, Shop


def test_ledger_adds_up_what_moved(shop: Shop, control: Control) -> None:
    captured = shop.captured(metadata={"order_id": "o1"})
    shop.refunds.create({"payment_intent": captured.id, "amount": 1500})
    shop.authorized(metadata={"order_id": "o2"}, amount=700)
    shop.create(metadata={"order_id": "o3"}, currency="jpy", amount=900)

    ledger = control.get("ledger")

    assert ledger["totals"] == {
        "eur": {
            "payment_intents": 2,
            "authorized": 5700,
            "captured": 5000,
            "refunded": 1500,
            "released": 0,
            "authorizations": 2,
            "captures": 1,
            "refunds": 1,
            "disputed": 0,
            "dispute_fees": 0,
            "net": 3500,
        },
        "jpy": {
            "payment_intents": 1,
            "authorized": 0,
            "captured": 0,
            "refunded": 0,
            "released": 0,
            "authorizations": 0,
            "captures": 0,
            "refunds": 0,
            "disputed": 0,
            "dispute_fees": 0,
            "net": 0,
        },
    }
    assert [line["order_id"] for line in ledger["payment_intents"]] == ["o1", "o2", "o3"]
    (line,) = control.get("ledger?order_id=o2")["payment_intents"]
    assert (line["status"], line["held"], line["net"], line["captures"]) == ("requires_capture", 700, 0, 0)


def test_ledger_of_an_unknown_order_is_empty(shop: Shop, control: Control) -> None:
    shop.captured(metadata={"order_id": "o1"})

    assert control.get("ledger?order_id=nobody") == {"totals": {}, "payment_intents": []}


def test_reset_forgets_everything(shop: Shop, control: Control) -> None:
    shop.captured(key=None)
    shop.create(key="k1")
    control.fault("rate_limited", times=None)
    control.post("clock", {"advance_seconds": 100_000})

    control.post("reset")

    assert shop.intents.list().data == []
    assert shop.event_types() == []
    assert control.get("ledger")["payment_intents"] == []
    assert shop.create(key="k1", amount=6000).amount == 6000


def test_clock_only_goes_forward(control: Control) -> None:
    before = control.get("health")["time"]

    assert control.post("clock", {"advance_seconds": 3600})["time"] >= before + 3600
    assert control.refused("clock", {"advance_seconds": -1})
    assert control.refused("clock", {})


def test_unknown_control_is_refused(control: Control) -> None:
    assert "no such control" in control.refused("surprise", {})
    assert control.refused("faults", [])


def test_sandboxes_do_not_share_anything(sandbox: Sandbox, shop: Shop) -> None:
    intent = shop.create()

    with Sandbox() as other, pytest.raises(stripe.InvalidRequestError) as caught:
        Shop(other.url).intents.retrieve(intent.id)

    assert caught.value.code == "resource_missing"
