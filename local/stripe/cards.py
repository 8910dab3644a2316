"""Stripe's test payment methods: which card each is, and what its bank answers.

The names are those of https://docs.stripe.com/testing; `pm_card_visa_x` and `pm_card_x` are the same card.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Decline:
    """What the bank says no with."""

    code: str
    message: str
    decline_code: str | None = None
    advice_code: str | None = None
    param: str | None = None


@dataclass(frozen=True)
class Card:
    """A test card and how it behaves: `challenge` asks for 3-D Secure; `refund` is how a refund to it begins.

    `dispute`: why its bank disputes what was captured, at once; `inquiry`: it only asks.
    """

    token: str
    brand: str = "visa"
    last4: str = "4242"
    funding: str = "credit"
    country: str = "US"
    challenge: bool = False
    challenge_off_session: bool = False
    decline: Decline | None = None
    refund: str = "succeeded"
    dispute: str = ""
    inquiry: bool = False


GENERIC = Decline("card_declined", "Your card was declined.", "generic_decline", "try_again_later")
DECLINES = {
    "chargeDeclined": ("0002", GENERIC),
    "chargeDeclinedInsufficientFunds": (
        "9995",
        Decline("card_declined", "Your card has insufficient funds.", "insufficient_funds", "try_again_later"),
    ),
    "chargeDeclinedLostCard": (
        "9987",
        Decline("card_declined", "Your card was declined.", "lost_card", "do_not_try_again"),
    ),
    "chargeDeclinedStolenCard": (
        "9979",
        Decline("card_declined", "Your card was declined.", "stolen_card", "do_not_try_again"),
    ),
    "chargeDeclinedFraudulent": (
        "0019",
        Decline("card_declined", "Your card was declined.", "fraudulent", "do_not_try_again"),
    ),
    "chargeDeclinedVelocityLimitExceeded": (
        "6975",
        Decline("card_declined", "Your card was declined.", "card_velocity_exceeded", "try_again_later"),
    ),
    "chargeDeclinedExpiredCard": (
        "0069",
        Decline("expired_card", "Your card has expired.", param="exp_month"),
    ),
    "chargeDeclinedIncorrectCvc": (
        "0127",
        Decline("incorrect_cvc", "Your card's security code is incorrect.", param="cvc"),
    ),
    "chargeDeclinedProcessingError": (
        "0119",
        Decline("processing_error", "An error occurred while processing your card. Try again in a little bit."),
    ),
    "chargeCustomerFail": ("0341", GENERIC),
}
INSUFFICIENT = DECLINES["chargeDeclinedInsufficientFunds"][1]
CHALLENGES = {
    "authenticationRequired": ("3184", None),
    "authenticationRequiredOnSetup": ("3155", None),
    "authenticationRequiredSetupForOffSession": ("3155", None),
    "authenticationRequiredChargeDeclinedInsufficientFunds": ("8260", INSUFFICIENT),
    "threeDSecure2Required": ("3220", None),
    "threeDSecureRequired": ("3063", None),
    "threeDSecureRequiredChargeDeclined": ("1629", GENERIC),
}
# The cards that, once the shopper has agreed, may be charged without them.
QUIET_OFF_SESSION = frozenset({"authenticationRequiredOnSetup", "authenticationRequiredSetupForOffSession"})
REFUNDS = {"pendingRefund": ("7726", "pending"), "refundFail": ("5126", "succeeded")}
DISPUTES = {
    "createDispute": ("0259", "fraudulent", False),
    "createDisputeProductNotReceived": ("2685", "product_not_received", False),
    "createDisputeInquiry": ("1976", "fraudulent", True),
}
PLAIN = {
    "visa": ("visa", "4242", "credit"),
    "visa_debit": ("visa", "5556", "debit"),
    "mastercard": ("mastercard", "4444", "credit"),
    "mastercard_debit": ("mastercard", "8210", "debit"),
    "mastercard_prepaid": ("mastercard", "5100", "prepaid"),
    "amex": ("amex", "8431", "credit"),
    "discover": ("discover", "9424", "credit"),
    "diners": ("diners", "0004", "credit"),
    "jcb": ("jcb", "0505", "credit"),
    "unionpay": ("unionpay", "0005", "credit"),
    "threeDSecureOptional": ("visa", "3055", "credit"),
    "threeDSecureNotSupported": ("amex", "0005", "credit"),
    "bypassPending": ("visa", "0077", "credit"),
    "riskLevelElevated": ("visa", "9235", "credit"),
    "us": ("visa", "4242", "credit"),
}


def _all_cards() -> dict[str, Card]:
    known: dict[str, Card] = {}
    for name, (brand, last4, funding) in PLAIN.items():
        known[name] = Card(token=f"pm_card_{name}", brand=brand, last4=last4, funding=funding)
    for name, (last4, decline) in DECLINES.items():
        known[name] = Card(token=f"pm_card_{name}", last4=last4, decline=decline)
    for name, (last4, after) in CHALLENGES.items():
        quiet = name in QUIET_OFF_SESSION
        known[name] = Card(
            token=f"pm_card_{name}", last4=last4, challenge=True, challenge_off_session=not quiet, decline=after
        )
    for name, (last4, refund) in REFUNDS.items():
        known[name] = Card(token=f"pm_card_{name}", last4=last4, refund=refund)
    for name, (last4, dispute, inquiry) in DISPUTES.items():
        known[name] = Card(token=f"pm_card_{name}", last4=last4, dispute=dispute, inquiry=inquiry)
    return known


CARDS = _all_cards()
COUNTRY = re.compile("[a-z]{2}")


def find_card(*, token: str) -> Card | None:
    """Give the test card of this name, or None where Stripe has no such payment method."""
    if not token.startswith("pm_card_"):
        return None
    name = token.removeprefix("pm_card_")
    card = CARDS.get(name) or CARDS.get(name.removeprefix("visa_"))
    if card is None and COUNTRY.fullmatch(name):
        return Card(token=token, country=name.upper())
    return card
