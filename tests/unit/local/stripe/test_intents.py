"""A PaymentIntent's life, as Stripe's SDK sees it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import stripe

from .clients import Control, Shop


def test_created_confirmed_and_captured_intent_ends_with_the_money(shop: Shop) -> None:
    intent = shop.create(metadata={"order_id": "o1"})
    assert (intent.status, intent.metadata["order_id"]) == ("requires_payment_method", "o1")

    intent = shop.intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
    assert (intent.status, intent.amount_capturable, intent.amount_received) == ("requires_capture", 5000, 0)

    intent = shop.intents.capture(intent.id)
    assert (intent.status, intent.amount_capturable, intent.amount_received) == ("succeeded", 0, 5000)
    charge = shop.stripe.v1.charges.retrieve(str(intent.latest_charge))
    assert (charge.captured, charge.amount_captured, charge.paid) == (True, 5000, True)
    assert shop.event_types() == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.amount_capturable_updated",
        "charge.captured",
        "payment_intent.succeeded",
    ]


@pytest.mark.parametrize("method", ["automatic", "automatic_async"])
def test_automatic_capture_takes_the_money_at_confirmation(shop: Shop, method: str) -> None:
    intent = shop.authorized(capture_method=method)

    assert (intent.status, intent.amount_received) == ("succeeded", 5000)
    assert shop.event_types()[-2:] == ["charge.succeeded", "payment_intent.succeeded"]


def test_partial_capture_releases_the_rest(shop: Shop, control: Control) -> None:
    intent = shop.intents.capture(shop.authorized().id, {"amount_to_capture": 3000})

    assert intent.amount_received == 3000
    line = control.get("ledger")["payment_intents"][0]
    assert (line["captured"], line["released"], line["held"]) == (3000, 2000, 0)


def test_capture_of_more_than_is_held_is_refused(shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.intents.capture(shop.authorized().id, {"amount_to_capture": 5001})

    assert caught.value.code == "amount_too_large"


def test_second_capture_is_refused_and_shows_the_intent(shop: Shop, control: Control) -> None:
    intent = shop.captured()

    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.intents.capture(intent.id)

    assert caught.value.code == "payment_intent_unexpected_state"
    assert caught.value.error is not None
    assert caught.value.error.payment_intent["status"] == "succeeded"
    assert control.get("ledger")["payment_intents"][0]["captures"] == 1


def test_parallel_captures_under_different_keys_capture_once(shop: Shop, control: Control) -> None:
    intent = shop.authorized()

    def capture(number: int) -> str:
        try:
            return str(shop.intents.capture(intent.id, {}, {"idempotency_key": f"c{number}"}).status)
        except stripe.InvalidRequestError as error:
            return str(error.code)

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(capture, range(8)))

    assert sorted(outcomes) == ["payment_intent_unexpected_state"] * 7 + ["succeeded"]
    assert control.get("ledger")["payment_intents"][0]["captures"] == 1


@pytest.mark.parametrize("prepare", ["create", "authorized"])
def test_canceled_intent_can_never_be_confirmed_or_captured(shop: Shop, prepare: str) -> None:
    intent = getattr(shop, prepare)()

    canceled = shop.intents.cancel(intent.id, {"cancellation_reason": "abandoned"})

    assert (canceled.status, canceled.cancellation_reason, canceled.amount_capturable) == ("canceled", "abandoned", 0)
    assert canceled.canceled_at is not None
    for late in (
        lambda: shop.intents.confirm(intent.id, {"payment_method": "pm_card_visa"}),
        lambda: shop.intents.capture(intent.id),
        lambda: shop.intents.cancel(intent.id),
    ):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            late()
        assert caught.value.code == "payment_intent_unexpected_state"


def test_canceling_an_authorization_releases_it_and_marks_its_charge_refunded(shop: Shop, control: Control) -> None:
    intent = shop.authorized()

    shop.intents.cancel(intent.id)

    charge = shop.stripe.v1.charges.retrieve(str(intent.latest_charge))
    assert (charge.refunded, charge.amount_refunded, charge.amount_captured) == (True, 5000, 0)
    line = control.get("ledger")["payment_intents"][0]
    assert (line["released"], line["held"], line["refunded"], line["net"]) == (5000, 0, 0, 0)
    assert shop.event_types()[-2:] == ["charge.refunded", "payment_intent.canceled"]


def test_succeeded_intent_cannot_be_canceled(shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="status of succeeded"):
        shop.intents.cancel(shop.captured().id)


def test_expired_authorization_cancels_the_intent(shop: Shop, control: Control) -> None:
    intent = shop.authorized()

    control.post(f"payment_intents/{intent.id}/expire_authorization")

    intent = shop.intents.retrieve(intent.id)
    assert (intent.status, intent.cancellation_reason) == ("canceled", "expired")
    assert shop.event_types()[-4:] == [
        "charge.refunded",
        "refund.created",
        "charge.expired",
        "payment_intent.canceled",
    ]


def test_authorization_expires_by_itself_after_seven_days(shop: Shop, control: Control) -> None:
    intent = shop.authorized()

    early = control.post("clock", {"advance_seconds": 6 * 86400})
    late = control.post("clock", {"advance_seconds": 86400})

    assert (early["expired"], late["expired"]) == ([], [intent.id])
    assert shop.intents.retrieve(intent.id).status == "canceled"


def test_update_changes_amount_metadata_and_method_while_it_may(shop: Shop) -> None:
    intent = shop.create(metadata={"order_id": "o1", "old": "x"})

    intent = shop.intents.update(
        intent.id, {"amount": 700, "metadata": {"old": "", "new": "y"}, "payment_method": "pm_card_mastercard"}
    )

    assert (intent.amount, intent.status) == (700, "requires_confirmation")
    assert intent.metadata.to_dict() == {"order_id": "o1", "new": "y"}
    intent = shop.intents.confirm(intent.id)
    shop.intents.update(intent.id, {"metadata": {"late": "fine"}})
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.intents.update(intent.id, {"amount": 800})
    assert caught.value.code == "payment_intent_unexpected_state"


REFUSED: list[tuple[dict[str, Any], str | None, str]] = [
    ({"amount": "12.5"}, "parameter_invalid_integer", "amount"),
    ({"amount": "١٢"}, "parameter_invalid_integer", "amount"),
    ({"amount": 0}, "parameter_invalid_integer", "amount"),
    ({"amount": 49}, "amount_too_small", "amount"),
    ({"amount": 100_000_000}, "amount_too_large", "amount"),
    ({"currency": "xxx"}, None, "currency"),
    ({"currency": ""}, "parameter_missing", "currency"),
    ({"surprise": "1"}, "parameter_unknown", "surprise"),
    ({"capture_method": "later"}, None, "capture_method"),
    ({"payment_method": "pm_nobody"}, "resource_missing", "payment_method"),
    ({"payment_method_types": ["card"]}, None, "payment_method_types"),
    ({"metadata": {"x" * 41: "y"}}, None, f"metadata[{'x' * 41}]"),
]


@pytest.mark.parametrize(("params", "code", "param"), REFUSED)
def test_malformed_creation_is_refused_and_creates_nothing(
    shop: Shop, params: dict[str, Any], code: str | None, param: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.create(**params)

    assert (caught.value.http_status, caught.value.code, caught.value.param) == (400, code, param)
    assert shop.intents.list().data == []


def test_missing_amount_is_named(shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.intents.create({"currency": "eur"})  # type: ignore[typeddict-item]

    assert (caught.value.code, caught.value.param) == ("parameter_missing", "amount")


def test_yen_have_no_minor_unit_in_messages(shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="¥50 jpy"):
        shop.create(amount=1, currency="JPY")


def test_confirming_without_return_url_is_refused_where_methods_may_redirect(shop: Shop) -> None:
    intent = shop.intents.create({"amount": 5000, "currency": "eur", "payment_method": "pm_card_visa"})

    with pytest.raises(stripe.InvalidRequestError, match="return_url"):
        shop.intents.confirm(intent.id)

    assert shop.intents.confirm(intent.id, {"return_url": "https://shop.example/"}).status == "succeeded"


def test_confirmed_creation_without_method_creates_nothing(shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="missing a payment method"):
        shop.create(confirm=True)

    assert shop.intents.list().data == []


def test_unknown_intent_is_404(shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.intents.retrieve("pi_nobody")

    assert (caught.value.http_status, caught.value.code) == (404, "resource_missing")


def test_wrong_key_is_unauthorized(shop: Shop) -> None:
    with pytest.raises(stripe.AuthenticationError) as caught:
        Shop(str(shop.stripe._requestor.base_addresses["api"]), key="sk_test_other").intents.list()

    assert caught.value.http_status == 401


def test_expansion_puts_objects_in_place_of_ids(shop: Shop) -> None:
    intent = shop.captured()

    seen = shop.intents.retrieve(intent.id, {"expand": ["latest_charge.payment_intent", "payment_method"]})

    assert seen.latest_charge["payment_intent"]["id"] == intent.id  # type: ignore[index]
    assert seen.payment_method["card"]["last4"] == "4242"  # type: ignore[index]
    with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
        shop.intents.retrieve(intent.id, {"expand": ["surprise"]})


def test_account_and_balance_answer_for_health_checks(shop: Shop) -> None:
    shop.captured()

    assert shop.stripe.v1.accounts.retrieve_current().charges_enabled
    assert shop.stripe.v1.balance.retrieve().available[0].amount == 5000


def test_payment_method_types_can_be_given_instead(shop: Shop) -> None:
    params: Any = {"amount": 5000, "currency": "eur", "payment_method_types": ["card"]}  # not in the SDK's types

    intent = shop.intents.create(params)

    assert intent.automatic_payment_methods is None
    assert shop.intents.confirm(intent.id, {"payment_method": "pm_card_amex"}).status == "succeeded"
