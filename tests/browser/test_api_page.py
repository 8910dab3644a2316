"""The API's page, as who builds a storefront meets it: a guest's token is pasted once, and an order is placed from the page."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.browser.chromium import Chromium, Page
from tests.browser.running import Shop

LOADED = "document.querySelectorAll('.opblock').length > 20"


@pytest.fixture
def page(chromium: Chromium, shop: Shop) -> Iterator[Page]:
    opened = chromium.new_page()
    opened.call("Page.navigate", url=f"{shop.url}/api/v1/docs")
    opened.until(LOADED, "the operations")
    yield opened
    assert opened.complaints() == []
    opened.close()


def click(page: Page, selector: str) -> None:
    page.until(f"document.querySelector({json.dumps(selector)})", selector)
    page.js(f"document.querySelector({json.dumps(selector)}).click()")


def try_out(page: Page, operation: str) -> tuple[str, str]:
    """Send the example of an operation; return the status and the body of what is answered."""
    block = f"#operations-{operation}"
    for part in (".opblock-summary-control", ".try-out__btn", ".execute"):
        click(page, f"{block} {part}")
    answer = f"{block} .live-responses-table .response"
    page.until(f"document.querySelector('{answer} .microlight')", "an answer")
    status, body = page.js(
        f"['.response-col_status', '.microlight'].map((each) => document.querySelector('{answer} ' + each).innerText)"
    )
    return str(status).strip(), str(body)


def test_an_order_is_placed_from_the_page_with_a_token_that_is_pasted_once(page: Page):
    status, guest = try_out(page, "guests-make_guest")
    assert status == "201"

    click(page, ".authorize")
    # The cursor stands where the token goes.
    page.until(
        "document.activeElement.closest('.auth-container')?.innerText.startsWith('bearerToken')", "where the token goes"
    )
    page.type(json.loads(guest)["token"])
    page.js("document.activeElement.closest('.auth-container').querySelector('.authorize').click()")
    page.until(
        "[...document.querySelectorAll('.auth-container button')].some((e) => e.innerText === 'Logout')", "Logout"
    )
    click(page, ".modal-ux .close-modal")

    status, order = try_out(page, "orders-place_order")
    assert (status, json.loads(order)["status"]) == ("201", "CONFIRMED")

    page.js("window.old = true")
    page.call("Page.reload")
    page.until(f"!window.old && {LOADED}", "the page again")
    status, orders = try_out(page, "orders-list_orders")
    assert (status, len(json.loads(orders)["results"])) == ("200", 1)


def test_without_a_token_an_order_says_where_to_get_one(page: Page):
    status, problem = try_out(page, "orders-place_order")

    assert status == "401"
    assert "POST /api/v1/guests" in json.loads(problem)["detail"]


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_does_not_scroll_sideways(width: int, chromium: Chromium, shop: Shop):
    page = chromium.new_page(width=width)
    page.call("Page.navigate", url=f"{shop.url}/api/v1/docs")
    page.until(LOADED, "the operations")

    assert page.js("document.documentElement.scrollWidth") <= width
    for operation in ("products-list_products", "orders-place_order"):
        click(page, f"#operations-{operation} .opblock-summary-control")
        page.until(f"document.querySelector('#operations-{operation} .responses-inner')", "the answers")
    assert page.js("document.documentElement.scrollWidth") <= width
    page.close()
