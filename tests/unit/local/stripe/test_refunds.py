"""Refunds: never more than was captured."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import stripe

from .clients import Control, Shop


def test_partial_refunds_add_up_to_the_capture_and_no_further(shop: Shop, control: Control) -> None:
    intent = shop.captured()

    shop.refunds.create({"payment_intent": intent.id, "amount": 2000, "reason": "requested_by_customer"})
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.refunds.create({"payment_intent": intent.id, "amount": 3001})
    shop.refunds.create({"charge": str(intent.latest_charge)})

    assert "Refund amount (€30.01) is greater than unrefunded amount on charge (€30.00)" in str(caught.value)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.refunds.create({"payment_intent": intent.id, "amount": 1})
    assert (caught.value.code, caught.value.http_status) == ("charge_already_refunded", 400)
    charge = shop.stripe.v1.charges.retrieve(str(intent.latest_charge), {"expand": ["refunds"]})
    assert (charge.refunded, charge.amount_refunded) == (True, 5000)
    assert charge.refunds is not None
    assert [refund.amount for refund in charge.refunds.data] == [3000, 2000]
    assert control.get("ledger")["totals"]["eur"]["net"] == 0


def test_first_refund_above_the_charge_says_so(shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError, match=r"\(€50.01\) is greater than charge amount \(€50.00\)"):
        shop.refunds.create({"payment_intent": shop.captured().id, "amount": 5001})


def test_refund_tells_its_story_in_events(shop: Shop) -> None:
    shop.refunds.create({"payment_intent": shop.captured().id})

    assert shop.event_types()[-4:] == ["refund.created", "charge.refunded", "refund.updated", "charge.refund.updated"]


def test_what_was_not_captured_cannot_be_refunded(shop: Shop) -> None:
    intent = shop.authorized()

    for target in ({"payment_intent": intent.id}, {"charge": str(intent.latest_charge)}):
        with pytest.raises(stripe.InvalidRequestError):
            shop.refunds.create(target)  # type: ignore[arg-type]


def test_rest_released_by_a_partial_capture_cannot_be_refunded(shop: Shop) -> None:
    intent = shop.intents.capture(shop.authorized().id, {"amount_to_capture": 3000})

    with pytest.raises(stripe.InvalidRequestError):
        shop.refunds.create({"payment_intent": intent.id, "amount": 3001})
    assert shop.refunds.create({"payment_intent": intent.id}).amount == 3000


def test_parallel_refunds_never_exceed_the_capture(shop: Shop, control: Control) -> None:
    intent = shop.captured()

    def refund(number: int) -> bool:
        try:
            shop.refunds.create({"payment_intent": intent.id, "amount": 2000}, {"idempotency_key": f"r{number}"})
        except stripe.InvalidRequestError:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(refund, range(6))) == 2
    assert control.get("ledger")["payment_intents"][0]["refunded"] == 4000


def test_pending_refund_settles_later(shop: Shop, control: Control) -> None:
    intent = shop.captured_with("pm_card_pendingRefund")
    refund = shop.refunds.create({"payment_intent": intent.id})
    assert refund.status == "pending"

    control.post(f"refunds/{refund.id}/settle", {"outcome": "succeed"})

    assert shop.refunds.retrieve(refund.id).status == "succeeded"


def test_failed_refund_can_be_made_again(shop: Shop, control: Control) -> None:
    intent = shop.captured_with("pm_card_refundFail")
    refund = shop.refunds.create({"payment_intent": intent.id})

    control.post(f"refunds/{refund.id}/settle", {"outcome": "fail"})

    assert shop.refunds.retrieve(refund.id).status == "failed"
    assert "refund.failed" in shop.event_types()
    assert control.get("ledger")["payment_intents"][0]["refunded"] == 0
    assert shop.refunds.create({"payment_intent": intent.id}).status == "succeeded"


def test_refunds_are_listed_by_intent_and_can_be_annotated(shop: Shop) -> None:
    first, second = shop.captured(), shop.captured()
    refund = shop.refunds.create({"payment_intent": first.id, "metadata": {"case": "1"}})
    shop.refunds.create({"payment_intent": second.id})

    updated = shop.refunds.update(refund.id, {"metadata": {"note": "done"}})

    assert updated.metadata is not None
    assert updated.metadata.to_dict() == {"case": "1", "note": "done"}
    assert [found.id for found in shop.refunds.list({"payment_intent": first.id}).data] == [refund.id]


@pytest.mark.parametrize("target", [{}, {"payment_intent": "pi_nobody"}, {"charge": "ch_nobody"}])
def test_refund_of_nothing_is_refused(shop: Shop, target: dict[str, str]) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.refunds.create(target)  # type: ignore[arg-type]

    assert caught.value.http_status == 400
