"""An order that was sent and has no answer yet is one order, whatever its shopper does meanwhile."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from local.demo.customers import ADDRESS
from tests.browser.buying import (
    PHONE,
    Visit,
    checkout_of,
    fill_in,
    guest_at_checkout,
    lose_answers,
    number_of_orders,
    orders_of,
    put_into_basket,
    sent_orders,
)
from tests.browser.chromium import Answer
from tests.browser.running import Shop

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


def test_an_order_that_was_sent_is_sent_once_however_often_its_button_is_pressed(visit: Visit):
    page = checkout_of(visit, "Blue mug", total="€22.40")
    before = number_of_orders(page)

    page.js(
        "(() => { const form = document.querySelector('form.checkout');"
        " for (const again of [1, 2, 3]) form.requestSubmit(); })()"
    )

    page.sees("Thank you! Your order is confirmed.")
    assert number_of_orders(page) == before + 1


def test_a_page_that_is_loaded_anew_while_its_order_is_on_the_way_finds_that_order(visit: Visit):
    page = checkout_of(visit, "Blue mug", total="€22.40")
    before = number_of_orders(page)
    lose_answers(page)
    page.press("Order and pay")
    page.sees("The shop cannot be reached")

    page.reload()

    page.sees("Thank you! Your order is confirmed.")
    assert number_of_orders(page) == before + 1


def test_who_changes_something_while_an_order_has_no_answer_keeps_the_order_that_had_arrived(visit: Visit):
    page = guest_at_checkout(visit)
    page.press("Order and pay")
    page.sees("The shop cannot be reached")
    page.js("window.loses = false")

    page.fill("Name", "Grace Hopper")
    page.press("Order and pay")
    page.sees("Your earlier order was placed")
    page.press("Keep the earlier order")

    page.sees("Thank you! Your order is confirmed.")
    page.sees(ADDRESS["name"])
    assert len(orders_of(page)) == 1
    first, changed, again = sent_orders(page)
    assert (first["key"] == changed["key"], first["body"] == changed["body"]) == (True, False)
    # The key was the first one's, so the first one was asked after.
    assert again == first


def test_who_changes_something_while_an_order_has_no_answer_may_have_it_canceled_for_the_new_one(visit: Visit):
    page = guest_at_checkout(visit)
    page.press("Order and pay")
    page.sees("The shop cannot be reached")
    page.js("window.loses = false")

    # Another guest, to the shop: what has no answer is the other one's.
    page.fill("Email", f"{uuid.uuid4().hex}@guest.example")
    page.press("Order and pay")
    page.press("Cancel it and order this")

    page.sees("Thank you! Your order is confirmed.")
    sent = sent_orders(page)
    assert [each["key"] for each in sent] == [sent[0]["key"], sent[0]["key"], sent[2]["key"]]
    assert sent[0] == sent[1]
    assert sent[2]["key"] != sent[0]["key"]
    (order,) = orders_of(page)
    assert order["status"] == "CONFIRMED"


def test_an_order_that_never_arrived_is_placed_once_as_it_was_changed_also_after_a_reload(visit: Visit, shop: Shop):
    page = visit(**PHONE)
    put_into_basket(page, "Blue mug")
    fill_in(page, email=f"{uuid.uuid4().hex}@guest.example")
    page.press("Company, phone, note")
    page.fill("Note to the shop", "Ring twice")
    page.sees("Order and pay €22.40")
    keys = []

    def gateway(request: dict[str, Any]) -> Answer:
        if request["method"] == "POST":
            keys.append(request["headers"]["Idempotency-Key"])
        return (502, {}, b"<html>Bad gateway</html>") if request["method"] == "POST" and len(keys) < 3 else None

    page.answer_for([{"urlPattern": f"{shop.url}/api/v1/orders"}], gateway)
    page.press("Order and pay")
    page.sees("The shop's answer could not be read")

    page.reload()
    page.sees("Ask again")
    page.press("Change something")
    page.sees("Order and pay €22.40")
    assert page.js("find_.field('Note to the shop').value") == "Ring twice"
    page.fill("Name", "Grace Hopper")
    page.press("Order and pay")

    page.sees("Thank you! Your order is confirmed.")
    page.sees("Grace Hopper")
    assert keys == [keys[0]] * 3
    (order,) = orders_of(page)
    assert order["note"] == "Ring twice"
