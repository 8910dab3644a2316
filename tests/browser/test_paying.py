"""What goes wrong with a payment or a product, and how a shopper goes on."""

from __future__ import annotations

import uuid

import pytest

from local.demo.customers import ADDRESS
from tests.browser.buying import (
    PHONE,
    Visit,
    buy_elsewhere,
    checkout_of,
    fill_in,
    number_of_orders,
    orders_of,
    put_into_basket,
    sign_in,
)
from tests.browser.running import Shop

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


def test_a_card_that_is_declined_for_good_leaves_basket_and_form_as_they_were(visit: Visit):
    page = checkout_of(visit, "Blue mug", total="€22.40", card="Visa •••• 9987")

    page.press("Order and pay")
    page.sees("The card was declined")
    page.sees("Nothing was charged. Please choose another card, and order again.")
    page.sees("It is canceled: order")
    canceled = orders_of(page)[0]
    link = page.js("(() => { const a = document.querySelector('.alert a'); return [a.textContent, a.pathname]; })()")
    assert (canceled["status"], link) == ("CANCELED", [f"order {canceled['number']}", f"/orders/{canceled['id']}"])

    assert page.js("find_.field('City').value") == ADDRESS["city"]
    page.press("Visa •••• 4242")
    page.press("Order and pay")
    page.sees("Thank you! Your order is confirmed.")


def test_another_card_pays_the_order_whose_first_one_was_declined(visit: Visit):
    page = visit(**PHONE)
    put_into_basket(page, "Blue mug")
    fill_in(page, email=f"{uuid.uuid4().hex}@guest.example", card="Visa •••• 9995")
    page.fill("Discount code", "WELCOME10")
    page.press("Apply")
    page.sees("Order and pay €21.15")

    page.press("Order and pay")
    page.sees("The card was declined")
    page.sees("You can try")
    address = page.js("location.pathname")
    assert address.startswith("/orders/")
    page.press("Visa •••• 9995")
    page.press("Pay €21.15")
    page.until("!document.querySelector('[aria-busy]') && find_.says('The card was declined')", "another decline")
    page.press("Visa •••• 4242")
    page.press("Pay €21.15")

    page.sees("Thank you! Your order is confirmed.")
    assert page.js("location.pathname") == address
    # The code was for this order: the next one begins without it.
    assert page.js("JSON.parse(sessionStorage.getItem('shop.checkout')).codes") == []


def test_more_time_to_pay_is_given_once_and_the_card_that_is_chosen_stays(visit: Visit):
    page = visit(**PHONE)
    put_into_basket(page, "Blue mug")
    fill_in(page, email=f"{uuid.uuid4().hex}@guest.example", card="Visa •••• 9995")
    page.sees("Order and pay €22.40")
    page.press("Order and pay")
    page.sees("Please pay before")
    until = "document.querySelector('.deadline time').dateTime"
    before = page.js(until)
    page.press("Visa •••• 4242")

    page.press("Give me more time")

    page.until(f"{until} !== {before!r}", "a later deadline")
    page.until("!find_.says('Give me more time')", "no second extension on offer")
    page.press("Pay €22.40")
    page.sees("Thank you! Your order is confirmed.")


def test_a_bank_that_asks_is_answered_on_the_orders_page(visit: Visit):
    page = checkout_of(visit, "Oak desk lamp", total="€98.90", card="Visa •••• 3184")

    page.press("Order and pay")
    page.sees("Test bank")
    # Whoever looks away first finds the question again.
    page.key("Escape")
    page.press("Approve at your bank")
    page.sees("Test bank")
    page.press("Approve")

    page.sees("Thank you! Your order is confirmed.")


def test_a_product_that_is_sold_out_under_the_eyes_is_named(visit: Visit, shop: Shop):
    page = checkout_of(visit, "Signed poster, last one", total="€150.00")
    buy_elsewhere(shop, "POSTER-LAST", 1)

    page.press("Order and pay")

    page.sees("Signed poster, last one is sold out")
    page.press("Empty the basket")
    page.sees("It is empty.")
    # Whoever has just looked is shown for five seconds what they saw.
    page.js("fetch('/api/v1/products/POSTER-LAST', { cache: 'reload' }).then((answer) => answer.text())")
    page.open(shop.url + "/products/POSTER-LAST")
    page.sees("Sold out")


def test_nothing_is_ordered_for_another_total_than_the_one_that_was_shown(visit: Visit):
    page = checkout_of(visit, "Blue mug", total="€22.40")
    before = number_of_orders(page)
    # As another tab does, or a price that the shop changes.
    page.js(
        "(() => { const lines = JSON.parse(localStorage.getItem('shop.basket')); lines[0].quantity = 2;"
        " localStorage.setItem('shop.basket', JSON.stringify(lines)); })()"
    )

    page.press("Order and pay")

    page.sees("The total has changed")
    page.sees("Order and pay €34.90")
    assert number_of_orders(page) == before
    page.press("Order and pay")
    page.sees("Thank you! Your order is confirmed.")
    assert number_of_orders(page) == before + 1


def test_an_order_is_canceled_once_its_shopper_has_agreed(visit: Visit, shop: Shop):
    order = buy_elsewhere(shop, "MUG-BLUE", 1)
    page = visit(**PHONE)
    sign_in(page)
    page.open(f"{shop.url}/orders/{order['id']}")

    page.press("Cancel this order")
    page.press("Keep it")
    page.sees("Cancel this order")
    page.press("Cancel this order")
    page.press("Cancel the order")

    page.sees("Your order is canceled, and your money is on its way back.")
    page.sees("Returned to you: €22.40")
    # The button that had the focus is gone: who uses the keyboard goes on at the top, and not nowhere.
    page.until("document.activeElement === document.querySelector('main h1')", "the focus at the top")
