"""One attempt to take the money of a PaymentIntent: 3-D Secure where the card asks for it, then the bank's answer."""

from __future__ import annotations

from typing import Any

from local.stripe import cards, disputes, errors, shapes
from local.stripe.cards import Card, Decline
from local.stripe.store import Transaction, new_id

Json = dict[str, Any]

AUTHENTICATION_REQUIRED = Decline(
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
    "authentication_required",
)


def latest_charge(tx: Transaction, *, intent: Json) -> Json:
    """Give the charge of the intent's latest attempt."""
    charge = tx.find(kind="charge", object_id=intent["latest_charge"] or "")
    if charge is None:
        raise LookupError(f"{intent['id']} has no charge")
    return charge


def start(tx: Transaction, *, intent: Json, params: Json) -> Json:
    """Begin an attempt with the intent's payment method. Raises: StripeError (402) when the bank declines."""
    own = intent["_"]
    own["off_session"] = bool(params.get("off_session"))
    own["return_url"] = params.get("return_url") or own["return_url"]
    _check_ready(intent, use_stripe_sdk=bool(params.get("use_stripe_sdk")))
    intent.update(next_action=None, last_payment_error=None)
    card = card_of(tx, intent=intent)
    if card.challenge and own["authenticated"] != intent["payment_method"]:
        if own["off_session"] and not card.challenge_off_session:
            return settle(tx, intent=intent, card=card)
        if own["off_session"] or params.get("error_on_requires_action"):
            return decline(tx, intent=intent, card=card, decline=AUTHENTICATION_REQUIRED)
        return challenge(tx, intent=intent, use_stripe_sdk=bool(params.get("use_stripe_sdk")))
    return settle(tx, intent=intent, card=card)


def _check_ready(intent: Json, *, use_stripe_sdk: bool) -> None:
    if intent["payment_method"] is None:
        raise errors.unexpected_state(
            message="You cannot confirm this PaymentIntent because it's missing a payment method. Update the "
            "PaymentIntent with a payment method and then confirm it again.",
            intent=shapes.visible(intent),
        )
    automatic = intent["automatic_payment_methods"] or {}
    redirects = automatic.get("enabled") and automatic.get("allow_redirects") != "never"
    if redirects and not intent["_"]["return_url"] and not use_stripe_sdk:
        raise errors.invalid(
            message="This PaymentIntent accepts payment methods that may redirect the customer: provide a "
            "`return_url`, or set `automatic_payment_methods[allow_redirects]` to `never`.",
            param="return_url",
        )


def card_of(tx: Transaction, *, intent: Json) -> Card:
    """Give the test card behind the intent's payment method."""
    method = tx.find(kind="payment_method", object_id=intent["payment_method"])
    card = cards.find_card(token=method["_"]["token"]) if method else None
    if card is None:
        raise LookupError(f"{intent['payment_method']} is not a test card")
    return card


def challenge(tx: Transaction, *, intent: Json, use_stripe_sdk: bool) -> Json:
    """Ask the shopper to authenticate."""
    url = f"{tx.base_url}/sandbox/authenticate/{intent['id']}"
    return_url = intent["_"]["return_url"]
    if return_url and not use_stripe_sdk:
        action: Json = {"type": "redirect_to_url", "redirect_to_url": {"return_url": return_url, "url": url}}
    else:
        source = new_id(prefix="src_")
        details = {"type": "three_d_secure_redirect", "stripe_js": url, "source": source}
        action = {"type": "use_stripe_sdk", "use_stripe_sdk": details}
    intent.update(status="requires_action", next_action=action)
    tx.save(intent)
    tx.emit("payment_intent.requires_action", intent)
    return intent


def authenticate(tx: Transaction, *, intent: Json, approved: bool) -> Json:
    """Take the shopper's answer to 3-D Secure. A decline by the bank afterwards is not an error of this call."""
    if intent["status"] != "requires_action":
        raise errors.unexpected_state(
            message=f"There is nothing to authenticate: the status is {intent['status']}.",
            intent=shapes.visible(intent),
        )
    intent["next_action"] = None
    if not approved:
        method = tx.find(kind="payment_method", object_id=intent["payment_method"])
        intent["status"] = "requires_payment_method"
        intent["payment_method"] = None
        intent["last_payment_error"] = {
            "type": "invalid_request_error",
            "code": "payment_intent_authentication_failure",
            "doc_url": "https://stripe.com/docs/error-codes/payment-intent-authentication-failure",
            "message": "The provided PaymentMethod has failed authentication. You can provide a new PaymentMethod to "
            "attempt to fulfill this PaymentIntent again.",
            "payment_method": shapes.visible(method or {}),
        }
        tx.save(intent)
        tx.emit("payment_intent.payment_failed", intent)
        return intent
    intent["_"]["authenticated"] = intent["payment_method"]
    if intent["confirmation_method"] == "manual":
        intent["status"] = "requires_confirmation"
        tx.save(intent)
        return intent
    try:
        return settle(tx, intent=intent, card=card_of(tx, intent=intent))
    except errors.StripeError as error:
        if not error.keeps_effects:
            raise
        return intent


def settle(tx: Transaction, *, intent: Json, card: Card) -> Json:
    """Ask the bank: hold the money or take it. Raises: StripeError (402)."""
    if card.decline is not None:
        return decline(tx, intent=intent, card=card, decline=card.decline)
    amount = intent["amount"]
    charge = shapes.charge(intent=intent, card=card, created=tx.now)
    charge.update(status="succeeded", paid=True, outcome=_outcome("authorized", "approved_by_network", None))
    intent.update(latest_charge=charge["id"], next_action=None, last_payment_error=None)
    tx.move(kind="authorized", intent=intent, amount=amount)
    if intent["capture_method"] == "manual":
        intent.update(status="requires_capture", amount_capturable=amount)
        told = "payment_intent.amount_capturable_updated"
    else:
        charge.update(captured=True, amount_captured=amount)
        intent.update(status="succeeded", amount_received=amount)
        tx.move(kind="captured", intent=intent, amount=amount)
        told = "payment_intent.succeeded"
    tx.insert(charge, kind="charge", payment_intent=intent["id"])
    tx.save(intent)
    tx.emit("charge.succeeded", charge)
    tx.emit(told, intent)
    if charge["captured"]:
        dispute_at_once(tx, intent=intent, charge=charge)
    return intent


def dispute_at_once(tx: Transaction, *, intent: Json, charge: Json) -> None:
    """Have the bank dispute what was just captured, where the card is one that does."""
    card = card_of(tx, intent=intent)
    if card.dispute:
        disputes.open_dispute(tx, intent=intent, charge=charge, reason=card.dispute, inquiry=card.inquiry)


def decline(tx: Transaction, *, intent: Json, card: Card, decline: Decline) -> Json:
    """Record a refused attempt and raise it. Raises: StripeError (402); its effects stay."""
    method = tx.find(kind="payment_method", object_id=intent["payment_method"]) or {}
    charge = shapes.charge(intent=intent, card=card, created=tx.now)
    charge.update(
        status="failed",
        failure_code=decline.code,
        failure_message=decline.message,
        outcome=_outcome("issuer_declined", "declined_by_network", decline),
    )
    tx.insert(charge, kind="charge", payment_intent=intent["id"])
    optional = {
        "param": decline.param,
        "decline_code": decline.decline_code,
        "advice_code": decline.advice_code,
    }
    detail: Json = {
        "type": "card_error",
        "code": decline.code,
        "doc_url": "https://stripe.com/docs/error-codes/" + decline.code.replace("_", "-"),
        "message": decline.message,
        "charge": charge["id"],
        "payment_method": shapes.visible(method),
        **{key: value for key, value in optional.items() if value},
    }
    intent.update(
        status="requires_payment_method",
        payment_method=None,
        latest_charge=charge["id"],
        next_action=None,
        last_payment_error=detail,
    )
    tx.save(intent)
    tx.emit("charge.failed", charge)
    tx.emit("payment_intent.payment_failed", intent)
    raise errors.StripeError(
        status=402,
        kind="card_error",
        message=decline.message,
        code=decline.code,
        keeps_effects=True,
        extra={**detail, "payment_intent": shapes.visible(intent)},
    )


def _outcome(kind: str, network_status: str, decline: Decline | None) -> Json:
    return {
        "advice_code": decline.advice_code if decline else None,
        "network_advice_code": None,
        "network_decline_code": "05" if decline else None,
        "network_status": network_status,
        "reason": (decline.decline_code or decline.code) if decline else None,
        "risk_level": "normal",
        "seller_message": "The bank did not approve the payment." if decline else "Payment complete.",
        "type": kind,
    }
