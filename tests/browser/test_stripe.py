"""The storefront with a publishable key: Stripe's script makes tokens of cards and asks the customer's bank.

The shell is answered as a shop with the key answers it, and Stripe's addresses are answered here (stripe.js): the page runs
under the policy that it has with real keys.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from django.test import Client

from tests.browser.buying import PHONE, Visit, fill_in, lose_answers, put_into_basket, sent_orders
from tests.browser.chromium import Answer, Page
from tests.browser.running import Shop

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

GOOD, POOR, ASKS = "4242424242424242", "4000000000009995", "4000002760003184"
SCRIPT = (Path(__file__).parent / "stripe.js").read_bytes()
OPEN_TO_ALL = {"Access-Control-Allow-Origin": "*"}


@pytest.fixture
def with_stripe(visit: Visit, shop: Shop, settings: Any) -> Callable[[], Page]:
    """Return a function that opens a page of the shop as it is with a publishable key."""
    settings.STRIPE_PUBLISHABLE_KEY = "pk_test_stand_in"
    bank = re.findall('shop:test-bank" content="([^"]+)"', requests.get(shop.url, timeout=60).text)[0]

    def answer(request: dict[str, Any]) -> Answer:
        url = urlsplit(request["url"])
        if url.hostname == "js.stripe.com":
            return 200, {"Content-Type": "text/javascript"}, SCRIPT
        if url.hostname == "api.stripe.com":
            asked = f"{bank}/sandbox/payment_intents/{url.path.rpartition('/')[2]}/authenticate"
            requests.post(asked, data=request["postData"], timeout=60).raise_for_status()
            return 200, OPEN_TO_ALL, b"{}"
        shell = Client().get(url.path)
        return shell.status_code, dict(shell.items()), shell.content

    def opened() -> Page:
        page = visit(**PHONE)
        ours = {"urlPattern": f"{shop.url}/*", "resourceType": "Document"}
        page.answer_for([ours, *({"urlPattern": f"https://{host}.stripe.com/*"} for host in ("js", "api"))], answer)
        page.open(shop.url + "/")
        return page

    return opened


def checkout(page: Page, card: str) -> None:
    put_into_basket(page, "Blue mug")
    fill_in(page, email=f"{uuid.uuid4().hex}@guest.example", card=None)
    page.fill("Card number", card)
    page.sees("Order and pay €22.40")


def test_a_card_is_declined_another_not_approved_and_then_approved(with_stripe: Callable[[], Page]):
    page = with_stripe()
    checkout(page, "4242")

    page.press("Order and pay")
    page.sees("Your card number is incomplete.")
    page.fill("Card number", POOR)
    page.press("Order and pay")
    page.sees("It does not have enough funds.")
    page.fill("Card number", ASKS)
    page.press("Pay €22.40")
    page.press("Leave")
    page.sees("The payment was not approved")
    page.fill("Card number", ASKS)
    page.press("Pay €22.40")
    page.sees("Complete")
    # Whoever loads the page anew while the bank asks is asked again.
    page.reload()
    page.press("Approve at your bank")
    page.press("Complete")

    page.sees("Thank you! Your order is confirmed.")


def test_an_order_without_an_answer_is_sent_again_with_the_token_that_it_had(with_stripe: Callable[[], Page]):
    page = with_stripe()
    checkout(page, GOOD)
    lose_answers(page)

    page.press("Order and pay")
    page.sees("The shop cannot be reached")
    page.js("window.loses = false")
    page.press("Order and pay")

    page.sees("Thank you! Your order is confirmed.")
    first, again = sent_orders(page)
    assert first == again
    assert first["body"]["payment_method"] == "pm_card_us"
