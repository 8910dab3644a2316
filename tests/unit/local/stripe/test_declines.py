"""Cards that say no, and cards that ask the shopper first."""

from __future__ import annotations

import urllib.error
import urllib.parse
import urllib.request
from typing import Any

import pytest
import stripe

from local.stripe import Sandbox
from local.stripe.cards import CHALLENGES, DECLINES
from tests.unit.local.stripe.clients import failure

from .clients import Control, Shop

DECLINED = [
    ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
    ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
    ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
    ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
    ("pm_card_chargeDeclinedLostCard", "card_declined", "lost_card"),
    ("pm_card_chargeDeclinedStolenCard", "card_declined", "stolen_card"),
    ("pm_card_chargeDeclinedExpiredCard", "expired_card", None),
    ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", None),
    ("pm_card_chargeDeclinedProcessingError", "processing_error", None),
]


@pytest.mark.parametrize(("card", "code", "decline_code"), DECLINED)
def test_declined_card_leaves_the_intent_open(shop: Shop, card: str, code: str, decline_code: str | None) -> None:
    intent = shop.create()

    with pytest.raises(stripe.CardError) as caught:
        shop.intents.confirm(intent.id, {"payment_method": card})

    error = failure(caught.value)
    assert (caught.value.http_status, error["code"], error.get("decline_code")) == (402, code, decline_code)
    intent = shop.intents.retrieve(intent.id)
    assert intent.status == "requires_payment_method"
    assert intent.last_payment_error is not None
    assert intent.last_payment_error.code == code
    assert shop.stripe.v1.charges.retrieve(str(intent.latest_charge)).status == "failed"
    assert shop.event_types() == ["payment_intent.created", "charge.failed", "payment_intent.payment_failed"]


def test_declined_intent_succeeds_with_another_card(shop: Shop, control: Control) -> None:
    intent = shop.create()
    with pytest.raises(stripe.CardError):
        shop.intents.confirm(intent.id, {"payment_method": "pm_card_chargeDeclined"})

    intent = shop.intents.confirm(intent.id, {"payment_method": "pm_card_visa"})

    assert (intent.status, intent.last_payment_error) == ("requires_capture", None)
    assert control.get("ledger")["totals"]["eur"]["authorized"] == 5000


def test_shopper_confirms_again_with_the_client_secret(sandbox: Sandbox, shop: Shop) -> None:
    intent = shop.create()
    shopper = Shop(sandbox.url, key="pk_test_anything")
    confirm: Any = {"client_secret": intent.client_secret, "payment_method": "pm_card_visa"}

    with pytest.raises(stripe.InvalidRequestError, match="client_secret"):
        shopper.intents.confirm(intent.id, confirm | {"client_secret": "pi_x_secret_y"})
    seen = shopper.intents.confirm(intent.id, confirm)

    assert seen.status == "requires_capture"
    assert not hasattr(seen, "metadata")
    for forbidden in (lambda: shopper.intents.cancel(intent.id), shopper.intents.list):
        with pytest.raises(stripe.AuthenticationError):
            forbidden()


def test_approved_authentication_authorizes(shop: Shop, control: Control) -> None:
    intent = shop.create(confirm=True, payment_method="pm_card_threeDSecure2Required", return_url="https://s.example/x")
    assert intent.status == "requires_action"
    assert intent.next_action is not None
    assert intent.next_action.type == "redirect_to_url"

    control.post(f"payment_intents/{intent.id}/authenticate", {"outcome": "approve"})

    assert shop.intents.retrieve(intent.id).status == "requires_capture"
    assert shop.event_types() == [
        "payment_intent.created",
        "payment_intent.requires_action",
        "charge.succeeded",
        "payment_intent.amount_capturable_updated",
    ]


def test_failed_authentication_asks_for_another_card(shop: Shop, control: Control) -> None:
    intent = shop.create(confirm=True, payment_method="pm_card_authenticationRequired")
    assert intent.next_action is not None
    assert intent.next_action.type == "use_stripe_sdk"

    control.post(f"payment_intents/{intent.id}/authenticate", {"outcome": "fail"})

    intent = shop.intents.retrieve(intent.id)
    assert (intent.status, intent.next_action) == ("requires_payment_method", None)
    assert intent.last_payment_error is not None
    assert intent.last_payment_error.code == "payment_intent_authentication_failure"
    assert shop.event_types()[-1] == "payment_intent.payment_failed"


def test_bank_may_decline_after_authentication(shop: Shop, control: Control) -> None:
    card = "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds"
    intent = shop.create(confirm=True, payment_method=card)

    control.post(f"payment_intents/{intent.id}/authenticate", {"outcome": "approve"})

    intent = shop.intents.retrieve(intent.id)
    assert intent.status == "requires_payment_method"
    assert intent.last_payment_error is not None
    assert intent.last_payment_error.decline_code == "insufficient_funds"


def test_manual_confirmation_waits_for_the_server_after_authentication(shop: Shop, control: Control) -> None:
    intent = shop.create(confirm=True, payment_method="pm_card_authenticationRequired", confirmation_method="manual")

    control.post(f"payment_intents/{intent.id}/authenticate", {"outcome": "approve"})

    assert shop.intents.retrieve(intent.id).status == "requires_confirmation"
    assert shop.intents.confirm(intent.id).status == "requires_capture"


def test_absent_shopper_cannot_authenticate(shop: Shop) -> None:
    with pytest.raises(stripe.CardError) as caught:
        shop.create(confirm=True, off_session=True, payment_method="pm_card_authenticationRequired")

    assert caught.value.code == "authentication_required"
    quiet = shop.create(confirm=True, off_session=True, payment_method="pm_card_authenticationRequiredOnSetup")
    assert quiet.status == "requires_capture"


def test_authentication_of_a_settled_intent_is_refused(shop: Shop, control: Control) -> None:
    intent = shop.authorized()

    assert "nothing to authenticate" in control.refused(f"payment_intents/{intent.id}/authenticate", {})


def test_intent_canceled_during_authentication_takes_no_money(shop: Shop, control: Control) -> None:
    intent = shop.create(confirm=True, payment_method="pm_card_authenticationRequired")
    shop.intents.cancel(intent.id)

    control.refused(f"payment_intents/{intent.id}/authenticate", {"outcome": "approve"})

    assert control.get("ledger")["totals"]["eur"]["authorized"] == 0


def test_bank_page_sends_the_shopper_back(shop: Shop) -> None:
    intent = shop.create(
        confirm=True, payment_method="pm_card_threeDSecure2Required", return_url="http://127.0.0.1:9/back?o=1"
    )
    assert intent.next_action is not None
    assert intent.next_action.redirect_to_url is not None
    url = str(intent.next_action.redirect_to_url.url)
    with urllib.request.urlopen(url, timeout=10) as page:
        assert b"Approve" in page.read()

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *args: Any) -> None:
            return None

    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.build_opener(Stay).open(url, data=b"outcome=approve", timeout=10)

    with caught.value as answer:
        assert answer.code == 303
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(caught.value.headers["Location"]).query)
    assert (query["o"], query["redirect_status"], query["payment_intent"]) == (["1"], ["succeeded"], [intent.id])


@pytest.mark.parametrize("name", [*DECLINES, *CHALLENGES, "visa_debit", "mastercard", "amex", "discover", "jcb", "de"])
def test_every_test_card_is_known_under_its_name(shop: Shop, name: str) -> None:
    assert shop.create(payment_method=f"pm_card_{name}").status == "requires_confirmation"
