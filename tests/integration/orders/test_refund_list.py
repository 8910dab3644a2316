"""The refunds of an order: whoever may see the order sees them, newest first, page by page and back."""

from __future__ import annotations

import uuid

import pytest

from tests.driver.factories import UserFactory
from tests.driver.provider import Provider, refunds_refused
from tests.driver.shopper import Shopper, id_in


@pytest.fixture
def order_id(shopper: Shopper, staff: Shopper) -> uuid.UUID:
    """Return an order of 25.00 with five refunds, of 1 to 5 cents, in this order."""
    placed = id_in(shopper.place(quantity=2))
    for minor in range(1, 6):
        _refund(staff, placed, minor)
    return placed


def _refund(staff: Shopper, order_id: uuid.UUID, minor: int) -> int:
    body = {"amount": {"amount_minor": minor, "currency": "EUR"}, "reason": f"scratch {minor}"}
    return int(staff.post(f"orders/{order_id}/refunds", body).status_code)


def _walk(caller: Shopper, path: str, relation: str) -> list[list[int]]:
    """Return the amounts of each page from here on, following `next` or `previous`."""
    pages = []
    while path:
        page = caller.get(path).json()
        pages.append([each["amount"]["amount_minor"] for each in page["results"]])
        path = (page[relation] or "").partition("/api/v1/")[2]
        assert len(pages) < 10
    return pages


def test_its_customer_sees_each_refund_but_not_what_staff_wrote(shopper: Shopper, order_id: uuid.UUID):
    answer = shopper.get(f"orders/{order_id}/refunds")

    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
    assert [each["amount"]["amount_minor"] for each in answer.json()["results"]] == [5, 4, 3, 2, 1]
    assert {each["status"] for each in answer.json()["results"]} == {"SUCCEEDED"}
    assert "reason" not in answer.json()["results"][0]


def test_staff_see_the_reasons(staff: Shopper, order_id: uuid.UUID):
    results = staff.get(f"orders/{order_id}/refunds").json()["results"]

    assert [each["reason"] for each in results] == [f"scratch {minor}" for minor in (5, 4, 3, 2, 1)]


def test_pages_have_no_gap_and_no_repeat_forwards_and_backwards(shopper: Shopper, order_id: uuid.UUID):
    path = f"orders/{order_id}/refunds?limit=2"

    assert _walk(shopper, path, "next") == [[5, 4], [3, 2], [1]]

    last = shopper.get(path)
    while (link := last.json()["next"]) is not None:
        last = shopper.get(link.partition("/api/v1/")[2])
    assert 'rel="prev"' in last["Link"]
    assert 'rel="next"' not in last["Link"]
    assert _walk(shopper, last.json()["previous"].partition("/api/v1/")[2], "previous") == [[3, 2], [5, 4]]


def test_a_refund_that_is_added_meanwhile_moves_no_page(shopper: Shopper, staff: Shopper, order_id: uuid.UUID):
    second = shopper.get(f"orders/{order_id}/refunds?limit=2").json()["next"].partition("/api/v1/")[2]

    assert _refund(staff, order_id, 6) == 201

    assert [each["amount"]["amount_minor"] for each in shopper.get(second).json()["results"]] == [3, 2]


def test_a_refund_that_was_refused_is_listed_as_failed(shopper: Shopper, staff: Shopper, sandbox: Provider):
    order_id = id_in(shopper.place())
    with refunds_refused():
        assert _refund(staff, order_id, 1) == 409

    (refund,) = shopper.get(f"orders/{order_id}/refunds").json()["results"]

    assert refund["status"] == "FAILED"


@pytest.mark.parametrize("cursor", ["x", "o.", "o.x", "x.{known}", "o.{unknown}", "n.{unknown}", "{known}"])
def test_what_is_no_cursor_of_this_list_is_400(cursor: str, shopper: Shopper, order_id: uuid.UUID):
    known = shopper.get(f"orders/{order_id}/refunds").json()["results"][0]["id"]

    answer = shopper.get(f"orders/{order_id}/refunds?cursor={cursor.format(known=known, unknown=uuid.uuid4())}")

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "#/cursor")


def test_a_cursor_of_another_order_opens_nothing(shopper: Shopper, staff: Shopper, order_id: uuid.UUID):
    known = shopper.get(f"orders/{order_id}/refunds").json()["results"][0]["id"]
    other = id_in(shopper.place())

    assert shopper.get(f"orders/{other}/refunds").json()["results"] == []
    assert shopper.get(f"orders/{other}/refunds?cursor=o.{known}").status_code == 400


def test_refunds_of_an_order_that_is_somebody_else_s_are_not_there(order_id: uuid.UUID):
    answer = Shopper(UserFactory()).get(f"orders/{order_id}/refunds")

    assert (answer.status_code, answer.json()["code"]) == (404, "order_not_found")
