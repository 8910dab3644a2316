"""What a shopper does on the storefront's pages, and what the shop knows of it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import requests

from local.demo import data as demo_data
from local.demo.customers import ADDRESS
from tests.browser.chromium import Page
from tests.browser.running import Shop

PHONE = {"width": 390, "height": 844}
Visit = Callable[..., Page]


def sign_in(page: Page) -> None:
    page.press("Sign in")
    page.fill("Email", demo_data.SHOPPER.email)
    page.fill("Password", demo_data.SHOPPER.password)
    page.js("document.querySelector('form button[type=submit]').focus()")
    page.key("Enter")
    page.until("document.getElementById('account').textContent === 'Account'", "that somebody has signed in")


def put_into_basket(page: Page, name: str, *, quantity: int = 1) -> None:
    page.press("Shop")
    page.press(name)
    page.sees("Add to basket")
    page.fill("Quantity", str(quantity))
    page.press("Add to basket")
    page.sees("In your basket")


def fill_in(page: Page, *, email: str = "", card: str | None = "Visa •••• 4242") -> None:
    page.press("Basket")
    page.press("Go to checkout")
    page.sees("Delivery address")
    if email:
        page.fill("Email", email)
    page.fill("Name", ADDRESS["name"])
    page.fill("Street and number", ADDRESS["line1"])
    page.fill("Postal code", ADDRESS["postal_code"])
    page.fill("City", ADDRESS["city"])
    page.fill("Country", ADDRESS["country"])
    if card:
        page.press(card)


def lose_answers(page: Page) -> None:
    """Note the orders that the page sends from now on, in window.sent; while window.loses is true their answers are lost.

    While window.cuts is true, they don't get there.
    """
    page.js(
        "(() => { const real = fetch; window.sent = []; window.loses = true; window.cuts = false;"
        " window.fetch = async (url, options) => {"
        " if (options?.method !== 'POST' || !String(url).endsWith('/api/v1/orders')) return real(url, options);"
        " sent.push({ key: options.headers['Idempotency-Key'], body: JSON.parse(options.body) });"
        " if (cuts) throw new TypeError('cut');"
        " const answer = await real(url, options); if (loses) throw new TypeError('lost'); return answer; }; })()"
    )


def sent_orders(page: Page) -> list[dict[str, Any]]:
    """Return the orders that were sent since `lose_answers`, each as {key, body}."""
    found: list[dict[str, Any]] = page.js("window.sent")
    return found


def orders_of(page: Page) -> list[dict[str, Any]]:
    """Return the orders of whoever has signed in, as the API gives them, newest first."""
    found: list[dict[str, Any]] = page.js(
        "fetch('/api/v1/orders?limit=100', { headers: { Authorization: 'Bearer ' +"
        " JSON.parse(localStorage.getItem('shop.session')).token } }).then((r) => r.json()).then((d) => d.results)"
    )
    return found


def checkout_of(visit: Visit, name: str, *, total: str, card: str = "Visa •••• 4242") -> Page:
    """Return the checkout of somebody who has signed in, filled in, with its total on the button."""
    page = visit()
    sign_in(page)
    put_into_basket(page, name)
    fill_in(page, card=card)
    page.sees(f"Order and pay {total}")
    return page


def buy_elsewhere(shop: Shop, sku: str, quantity: int) -> dict[str, Any]:
    """Have another shopper buy something meanwhile."""
    login = requests.post(
        f"{shop.url}/_allauth/app/v1/auth/login",
        json={"email": demo_data.SHOPPER.email, "password": demo_data.SHOPPER.password},
        timeout=60,
    )
    answer = requests.post(
        f"{shop.url}/api/v1/orders",
        json={
            "lines": [{"sku": sku, "quantity": quantity}],
            "payment_method": "pm_card_visa",
            "shipping_address": ADDRESS,
        },
        headers={
            "Authorization": f"Bearer {login.json()['meta']['session_token']}",
            "Idempotency-Key": str(uuid.uuid4()),
        },
        timeout=60,
    )
    assert answer.status_code == 201, answer.text
    order: dict[str, Any] = answer.json()
    return order


def number_of_orders(page: Page) -> int:
    return len(orders_of(page))


def guest_at_checkout(visit: Visit) -> Page:
    """Return the checkout of a guest on a phone, filled in, whose orders' answers are lost."""
    page = visit(**PHONE)
    put_into_basket(page, "Blue mug")
    fill_in(page, email=f"{uuid.uuid4().hex}@guest.example")
    page.sees("Order and pay €22.40")
    lose_answers(page)
    return page


def quoted_elsewhere(page: Page, country: str) -> None:
    """Have the next quote that is asked for be one for another country: a price of a while ago."""
    page.js(
        "(() => { const real = fetch; window.fetch = (url, options) => {"
        " if (!String(url).endsWith('/api/v1/quotes')) return real(url, options);"
        " window.fetch = real; const body = JSON.parse(options.body);"
        f" body.destination = {{ country: {json.dumps(country)} }};"
        " return real(url, { ...options, body: JSON.stringify(body) }); }; })()"
    )
