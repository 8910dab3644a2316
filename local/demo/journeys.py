"""The demo's journeys: which faults meet them, and how each must end."""

from __future__ import annotations

import threading
import uuid
from typing import Any

import requests

from local.demo.customers import Guest
from local.demo.journey import Journey, intents_of, say, wait_for
from local.waiting import PATIENCE_SECONDS
from shop.money import Money


class ConfirmedShippedMailed(Journey):
    """The way it usually goes."""

    title = "Confirmed, shipped, delivered and mailed"
    ends_as = ("DELIVERED",)
    mails = ("confirmed", "shipped")

    def begin(self) -> None:
        """Order with a card that works, twice with the same key."""
        key = str(uuid.uuid4())
        self.answered(self.shopper.place("MUG-BLUE", quantity=2, payment_method="pm_card_visa", key=key), 201)
        again = self.shopper.place("MUG-BLUE", quantity=2, payment_method="pm_card_visa", key=key)
        named = again.json().get("id")
        self.expect(named == self.order_id, f"the same Idempotency-Key names the order {self.order_id}", seen=named)
        say(f"    the same Idempotency-Key again -> {again.status_code}, the same order")

    def judge(self) -> None:
        """Find one charge."""
        self.expect_charges(1)


class Declined(Journey):
    """The bank suspects fraud: no other card is asked for."""

    title = "Stolen card declined: stock and payment are undone"
    ends_as = ("CANCELED",)
    mails = ("canceled",)

    def begin(self) -> None:
        """Order with a card that was reported stolen."""
        self.answered(self.shopper.place("TEE-M", payment_method="pm_card_chargeDeclinedStolenCard"), 402)

    def judge(self) -> None:
        """Find no money taken."""
        self.expect_charges(0)


class AnotherCard(Journey):
    """The card says no, and the customer has another one."""

    title = "Card declined, then another card: the order keeps its stock and is paid on the same intent"

    def begin(self) -> None:
        """Order with a card without funds, then pay with one that works."""
        placed = self.shopper.place("MUG-BLUE", payment_method="pm_card_chargeDeclinedInsufficientFunds")
        facts = self.answered(placed, 402)["facts"]
        next_action, left = facts.get("next_action"), facts.get("attempts_left", 0)
        self.expect(next_action == "provide_payment_method", "the storefront asks for another card", seen=next_action)
        self.expect(left > 0, "other cards may follow", seen=left)
        say("    the customer takes another card")
        paid = self.shopper.pay(self.order_id, payment_method="pm_card_mastercard")
        self.answered(paid, 201, path=f"/api/v1/orders/{self.order_id}/payment")

    def judge(self) -> None:
        """Find one intent and one charge."""
        self.expect_intents(1)
        self.expect_charges(1)


class OutOfStock(Journey):
    """There is one; two are wanted."""

    title = "Out of stock: nothing is reserved, nothing is charged"
    ends_as = ("CANCELED",)
    mails = ("canceled",)

    def begin(self) -> None:
        """Order two of the last one."""
        self.answered(self.shopper.place("POSTER-LAST", quantity=2, payment_method="pm_card_visa"), 409)

    def judge(self) -> None:
        """Find that the provider was not even asked."""
        self.expect_intents(0)


class Authenticated(Journey):
    """The bank asks, the customer approves."""

    title = "3-D Secure approved: the webhook resumes the order"

    def begin(self) -> None:
        """Order, then approve in the bank's app."""
        body = self.answered(self.shopper.place("LAMP-OAK", payment_method="pm_card_authenticationRequired"), 201)
        self.expect_next_action(body, "authenticate")
        secret = body["payment"].get("client_secret", "")
        self.expect(secret.startswith("pi_"), "the storefront got the client_secret", seen=secret[:3])
        intent = secret.split("_secret_")[0]
        say("    the customer approves in the bank's app")
        self.shopper.sandbox(f"payment_intents/{intent}/authenticate", {"outcome": "approve"})

    def judge(self) -> None:
        """Find one charge."""
        self.expect_charges(1)


class Abandoned(Journey):
    """The bank asks, the customer walks away."""

    title = "3-D Secure abandoned: the order expires, the stock is free again"
    takes_long = True
    ends_as = ("CANCELED",)
    mails = ("canceled",)

    def begin(self) -> None:
        """Order the last one, and close the browser."""
        body = self.answered(self.shopper.place("POSTER-LAST", payment_method="pm_card_authenticationRequired"), 201)
        self.expect_next_action(body, "authenticate")
        say("    the customer closes the browser")

    def judge(self) -> None:
        """Find that the last one can be sold again."""
        self.expect_charges(0)
        stock = requests.get(f"{self.shopper.stack.url}/api/v1/products/POSTER-LAST", timeout=PATIENCE_SECONDS).json()
        self.expect(stock.get("available") == 1, "the last one is for sale again", seen=stock)


class AnswerLost(Journey):
    """Stripe charges, the answer never arrives."""

    title = "Stripe's answer is lost: what happened is asked, not guessed"

    def begin(self) -> None:
        """Order while every answer to a confirm is lost."""
        self.shopper.sandbox(
            "faults",
            {
                "match": {"method": "POST", "path": "/v1/payment_intents/*/confirm"},
                "times": 1,
                "fault": "lost_answer",
            },
        )
        self.answered(self.shopper.place("TEE-M", payment_method="pm_card_visa"), 202)

    def judge(self) -> None:
        """Find one charge."""
        self.expect_charges(1)


class Killed(Journey):
    """The server dies between the charge and the confirmation."""

    title = "The web server is killed (SIGKILL) between charge and confirmation"

    def begin(self) -> None:
        """Order; once the provider has the money, kill the server before it hears so."""
        self.shopper.sandbox(
            "faults",
            {
                "match": {"method": "POST", "path": "/v1/payment_intents/*/capture"},
                "times": 1,
                "fault": "late",
                "delay_seconds": 60,
            },
        )
        before = {order["id"] for order in self.shopper.orders()}
        client = threading.Thread(target=self._place_and_lose, daemon=True)
        client.start()
        self.order_id = wait_for(
            lambda: next((o["id"] for o in self.shopper.orders() if o["id"] not in before), ""),
            "the order is recorded",
            stack=self.shopper.stack,
        )
        wait_for(self.captures, "the provider has the money", stack=self.shopper.stack)
        web = self.shopper.stack.processes["web"]
        web.kill()
        say("    the money is taken; the web server is killed; the customer's request ends without an answer")
        client.join(timeout=PATIENCE_SECONDS)
        self.shopper.stack.start_web()
        say("    the web server is started again")

    def _place_and_lose(self) -> None:
        try:
            self.shopper.place("MUG-BLUE", payment_method="pm_card_visa")
        except requests.ConnectionError:
            return
        self.wrong.append("expected: no answer, since the server is killed; seen: an answer")

    def judge(self) -> None:
        """Find one charge, however often it was asked for."""
        self.expect_charges(1)


class GuestByQuote(Journey):
    """Somebody without an account orders what they were shown, or is shown what it costs now."""

    title = "A guest orders by a quote: the price changes, the new quote is ordered, and is what the card is charged"

    def begin(self) -> None:
        """Ask what it costs with a code and by express, and order that; meanwhile the shop changes the price."""
        self.shopper = Guest(self.shopper.stack)
        quote = self._quoted(self.shopper.quote("BLANKET", shipping_option="express", codes=["tenoff"]).json())
        _change_price("BLANKET", Money(12900, "EUR"))
        say("    the shop changes the price")
        refused = self.told(self.shopper.order_by({"quote": quote["id"], "payment_method": "pm_card_visa"}), 409)
        self.expect(refused.get("code") == "total_changed", "the code total_changed", seen=refused.get("code"))
        ordered_before = self.shopper.orders()
        self.expect(not ordered_before, "nothing was ordered", seen=ordered_before)
        self._new = self._quoted(refused["facts"]["quote"])
        wanted, new = quote["total"]["amount_minor"] + 1000, self._new["total"]["amount_minor"]
        self.expect(new == wanted, f"the new quote has the price of now, {wanted} in all", seen=new)
        ordered = self.shopper.order_by({"quote": self._new["id"], "payment_method": "pm_card_visa"})
        self.answered(ordered, 201)

    def _quoted(self, quote: dict[str, Any]) -> dict[str, Any]:
        parts = [f"{each['label']} {each['amount']['formatted']}" for each in quote["adjustments"]]
        say(f"    a quote: {'; '.join(parts)}; total {quote['total']['formatted']} {quote['total']['currency']}")
        return quote

    def judge(self) -> None:
        """Find one charge, of the total that was quoted last."""
        charged = [intent["captured"] for intent in intents_of(self.ledger()) if intent["captures"]]
        total = self._new["total"]["amount_minor"]
        self.expect(charged == [total], f"one charge, of {total}", seen=charged)
        found = self.shopper.order(self.order_id)["adjustments"]
        self.expect(found == self._new["adjustments"], "code, shipping and tax are those of the quote", seen=found)


class NothingToPay(Journey):
    """A code takes all off, and the parcel is fetched."""

    title = "A discount code takes all off: confirmed without a payment, and the code is used up"

    def begin(self) -> None:
        """Order with the code, twice; name no card."""
        _give_away("GIFT", country="DE")
        quoted = wait_for(self._free_quote, "an order with the code costs nothing", stack=self.shopper.stack)
        say(f"    a quote: total {quoted['total']['formatted']} {quoted['total']['currency']}")
        placed = self.answered(self.shopper.order_by({"quote": quoted["id"]}, country="DE"), 201)
        self.expect(placed["payment"] is None, "the order has no payment", seen=placed["payment"])
        again = {"lines": [{"sku": "CARAFE", "quantity": 1}], "codes": ["GIFT"]}
        refused = self.told(self.shopper.order_by(again, country="DE"), 409)
        reason = refused.get("facts", {}).get("reason")
        self.expect(reason == "used_up", "the code is good once, so the reason used_up", seen=reason)

    def _free_quote(self) -> dict[str, Any] | None:
        quote: dict[str, Any] = self.shopper.quote("CARAFE", country="DE", codes=["gift"]).json()
        return None if quote["total"]["amount_minor"] else quote

    def judge(self) -> None:
        """Find that the provider was not even asked."""
        self.expect_intents(0)


JOURNEYS: tuple[type[Journey], ...] = (
    Abandoned,
    ConfirmedShippedMailed,
    GuestByQuote,
    NothingToPay,
    Declined,
    AnotherCard,
    OutOfStock,
    Authenticated,
    AnswerLost,
    Killed,
)


def _change_price(sku: str, price: Money) -> None:
    """Change a product's price as staff do in the admin."""
    from inventory import api as inventory

    offer = inventory.get_offers(skus=[sku])[sku]
    inventory.change_product(sku=sku, name=offer.name, price=price, active=True)


def _give_away(code: str, *, country: str) -> None:
    """Make a code that takes all off once, and let parcels of one country be fetched, as staff do in the admin."""
    from django.apps import apps

    codes, options, rates = (
        apps.get_model(name)._default_manager
        for name in ("orders.DiscountCode", "shipping.ShippingOption", "shipping.ShippingRate")
    )
    codes.create(code=code, label="A gift", percent=100, max_uses=1)
    option = options.create(code="fetch", name="Fetched at the shop", days_min=0, days_max=1)
    rates.create(option=option, countries=[country], currency="EUR", price_minor=0)
