"""The API of orders: who may do what, what is refused, and what is read."""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry

from inventory import api as inventory
from orders.models import Order
from orders.sagas.entry import resume
from shop.money import Money
from tests.driver.factories import AddressFactory, OrderBodyFactory, ProductFactory, UserFactory
from tests.driver.orders import levels, placed, status_of
from tests.driver.provider import Provider
from tests.driver.shopper import Shopper, id_in

ROUTES = (
    ("get", "orders/{}"),
    ("post", "orders/{}/payment"),
    ("post", "orders/{}/cancel"),
)


def call(shopper: Shopper, method: str, path: str, body: Any = None) -> Any:
    return shopper.get(path) if method == "get" else shopper.post(path, body)


def refused_fields(answer: Any) -> set[str]:
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request"), answer.content
    return {error["pointer"] for error in answer.json()["errors"]}


# --- what is taken -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["amount", "total", "price", "status", "customer_id", "currency", "unit_price"])
def test_a_client_names_no_amount_and_no_status(name: str, shopper: Shopper):
    more: dict[str, Any] = {name: 1}

    assert refused_fields(shopper.place(**more)) == {f"#/{name}"}
    assert refused_fields(shopper.place(lines=[{"sku": "MUG", "quantity": 1, name: 1}])) == {f"#/lines/0/{name}"}
    assert Order.objects.count() == 0


@pytest.mark.parametrize("quantity", [0, -1, 1001, "1", 1.0, True, None, 10**30])
def test_a_quantity_is_a_whole_number_within_limits(quantity: Any, shopper: Shopper):
    assert refused_fields(shopper.place(lines=[{"sku": "MUG", "quantity": quantity}])) == {"#/lines/0/quantity"}


@pytest.mark.parametrize("count", [0, 101])
def test_an_order_has_one_to_a_hundred_lines(count: int, shopper: Shopper):
    lines = [{"sku": "MUG", "quantity": 1}] * count

    assert refused_fields(shopper.place(lines=lines)) == {"#/lines"}


def test_two_lines_of_one_product_are_two_lines_and_one_reservation(shopper: Shopper, sandbox: Provider):
    answer = shopper.place(lines=[{"sku": "MUG", "quantity": 2}, {"sku": "MUG", "quantity": 3}])

    assert (answer.status_code, len(answer.json()["lines"])) == (201, 2)
    assert (levels(), sandbox.money(id_in(answer))) == ((5, 0, 5), (1, 6250))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"email": "nobody"}, "#/email"),
        ({"email": "a" * 250 + "@shop.example"}, "#/email"),
        ({"shipping_address": AddressFactory(country="XX")}, "#/shipping_address/country"),
        ({"shipping_address": AddressFactory(name="Ada\nBcc: all")}, "#/shipping_address/name"),
        ({"shipping_address": AddressFactory(city="\x00")}, "#/shipping_address/city"),
        ({"lines": "MUG"}, "#/lines"),
    ],
)
def test_what_cannot_be_right_is_refused_at_its_field(change: dict[str, Any], field: str, shopper: Shopper):
    assert refused_fields(shopper.place(**change)) == {field}


@pytest.mark.parametrize("body", ["[]", "null", "1", "{", '"text"'])
def test_a_body_that_is_no_order_is_400(body: str, shopper: Shopper):
    answer = shopper.post("orders", body)

    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")


# What is no token of the provider's: a card number, and anything else.
CARDS = ["4242424242424242", "4242 4242 4242 4242", "pm_4242424242424242", 4242424242424242]
NO_TOKENS = ["pm_", "tok_visa", ["pm_x"], "pm_424242424242"]


@pytest.mark.parametrize("sent", [*CARDS, *NO_TOKENS])
def test_what_is_no_token_is_refused_and_appears_nowhere(
    sent: Any, shopper: Shopper, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
):
    order_id = placed(payment_method="", customer_id=shopper.user.pk)
    resume(order_id=order_id)

    answers = [
        shopper.place(payment_method=sent),
        shopper.post(f"orders/{order_id}/payment", {"payment_method": sent}),
    ]

    seen = capfd.readouterr()
    refused = (422, "card_number_refused") if sent in CARDS else (400, "invalid_request")
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == refused
        assert {error["pointer"] for error in answer.json()["errors"]} == {"#/payment_method"}
        assert "4242" not in answer.content.decode()
    assert "4242" not in caplog.text + seen.out + seen.err
    assert Order.objects.exclude(pk=order_id).count() == 0


def test_an_unknown_product_is_422_and_records_nothing(shopper: Shopper):
    answer = shopper.place(lines=[{"sku": "MUG", "quantity": 1}, {"sku": "NOSUCH", "quantity": 1}])

    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_product")
    assert Order.objects.count() == 0


def test_the_price_is_the_shops_and_stays_with_the_order(shopper: Shopper, sandbox: Provider):
    right = {"amount_minor": 2500, "currency": "EUR"}
    answer = shopper.place(quantity=2, expected_total=right)
    inventory.change_product(sku="MUG", name="Renamed", price=Money(9900, "EUR"), active=True)

    told = shopper.order(id_in(answer))

    assert answer.status_code == 201
    assert (told["total"]["amount_minor"], told["lines"][0]["name"]) == (2500, "The mug")
    assert sandbox.money(id_in(answer)) == (1, 2500)


@pytest.mark.parametrize(
    "expected", [{"amount_minor": 1249, "currency": "EUR"}, {"amount_minor": 1250, "currency": "USD"}]
)
def test_a_total_that_is_not_what_was_shown_is_409(expected: dict[str, Any], shopper: Shopper):
    answer = shopper.place(expected_total=expected)

    assert (answer.status_code, answer.json()["code"]) == (409, "total_changed")
    assert Order.objects.count() == 0


def test_lines_in_two_currencies_are_refused(shopper: Shopper):
    other = ProductFactory(price=Money(100, "USD"))

    answer = shopper.place(lines=[{"sku": "MUG", "quantity": 1}, {"sku": other, "quantity": 1}])

    assert (answer.status_code, answer.json()["code"]) == (422, "mixed_currencies")


@pytest.mark.parametrize(
    ("price", "written", "charged"),
    [
        (Money(7800, "JPY"), "15600", 15600),
        (Money(12350, "KWD"), "24.700", 24700),
        (Money(50, "EUR"), "1.00", 100),
        (Money(500, "ISK"), "1000", 100000),
    ],
)
def test_every_currency_is_totaled_and_charged_in_its_own_units(
    price: Money, written: str, charged: int, shopper: Shopper, sandbox: Provider
):
    sku = ProductFactory(price=price)

    answer = shopper.place(sku=sku, quantity=2)

    assert answer.status_code == 201, answer.content
    total = answer.json()["total"]
    assert (total["amount_minor"], total["currency"], total["formatted"]) == (2 * price.minor, price.currency, written)
    assert sandbox.money(id_in(answer)) == (1, charged)


# --- who may see and do what ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_another_customers_order_does_not_exist(method: str, path: str, shopper: Shopper):
    order_id = id_in(shopper.place())
    stranger = Shopper(UserFactory())

    answer = call(stranger, method, path.format(order_id))
    missing = call(stranger, method, path.format(uuid.uuid4()))

    assert (answer.status_code, answer.json()["code"]) == (404, "order_not_found")
    assert missing.status_code == 404
    assert answer.json()["title"] == missing.json()["title"]
    assert status_of(order_id) == "CONFIRMED"
    assert stranger.get("orders").json()["results"] == []


@pytest.mark.parametrize(
    ("method", "path"), [*ROUTES, ("get", "orders"), ("post", "orders"), ("post", "orders/{}/refunds")]
)
def test_nobody_in_particular_may_do_anything(method: str, path: str, shopper: Shopper):
    order_id = placed(customer_id=shopper.user.pk)

    answer = call(Shopper(), method, path.format(order_id), OrderBodyFactory())

    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
    assert "POST /api/v1/guests" in answer.json()["detail"]
    assert answer["WWW-Authenticate"].startswith("Bearer")


REFUND = {"amount": {"amount_minor": 100, "currency": "EUR"}, "reason": "a scratch"}


def test_staff_see_cancel_and_refund_only_with_their_permissions(shopper: Shopper, staff: Shopper, sandbox: Provider):
    order_id = id_in(shopper.place())
    viewer = Shopper(UserFactory(is_staff=True, permissions=("orders.view_order",)))
    nobody = Shopper(UserFactory(is_staff=True))
    no_staff = Shopper(UserFactory(permissions=("orders.view_order", "orders.refund_order", "orders.cancel_order")))

    assert viewer.get(f"orders/{order_id}").status_code == 200
    assert viewer.cancel(order_id).status_code == 403
    assert nobody.get(f"orders/{order_id}").status_code == 404
    assert no_staff.get(f"orders/{order_id}").status_code == 404
    for caller in (shopper, viewer, nobody, no_staff):
        assert caller.post(f"orders/{order_id}/refunds", REFUND).status_code == 403
    assert sandbox.money(order_id) == (1, 1250)
    assert staff.post(f"orders/{order_id}/refunds", REFUND).status_code == 201
    assert staff.cancel(order_id).json()["cancel_reason"] == "staff_request"


def test_what_staff_do_over_the_api_is_on_record_and_what_customers_do_is_not(shopper: Shopper, staff: Shopper):
    own, canceled = id_in(shopper.place()), id_in(shopper.place())

    staff.post(f"orders/{canceled}/refunds", REFUND)
    staff.cancel(canceled)
    shopper.cancel(own)

    trail = LogEntry.objects.order_by("id").values_list("user_id", "object_id", "change_message")
    assert list(trail) == [
        (staff.user.pk, str(canceled), "refunded 1.00 EUR over the API"),
        (staff.user.pk, str(canceled), "canceled over the API: REFUNDED"),
    ]


def test_a_refund_whose_answer_is_lost_is_on_record(shopper: Shopper, staff: Shopper, sandbox: Provider):
    order_id = id_in(shopper.place())
    sandbox.fail("lost_answer", "/v1/refunds")

    answer = staff.post(f"orders/{order_id}/refunds", REFUND, key="one-refund")

    assert answer.status_code == 503
    (said,) = LogEntry.objects.values_list("change_message", flat=True)
    assert said.startswith("refund of 1.00 EUR over the API, its outcome unknown")
    assert staff.post(f"orders/{order_id}/refunds", REFUND, key="one-refund").status_code == 201


def test_nobody_pays_the_order_of_somebody_else(shopper: Shopper, staff: Shopper):
    body = OrderBodyFactory()
    del body["payment_method"]
    order_id = id_in(shopper.post("orders", body))

    answer = staff.post(f"orders/{order_id}/payment", {"payment_method": "pm_card_visa"})

    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    assert status_of(order_id) == "AWAITING_PAYMENT"


def test_a_cursor_that_somebody_made_up_is_refused(shopper: Shopper):
    made_up = base64.b64encode(b"p=x").decode()

    answer = shopper.get(f"orders?cursor={made_up}")

    assert refused_fields(answer) == {"#/cursor"}


# --- reading -----------------------------------------------------------------------------------------------------------


def test_an_order_that_has_not_changed_is_304(shopper: Shopper):
    placed_ = shopper.place()
    order_id = id_in(placed_)
    first = shopper.get(f"orders/{order_id}")

    unchanged = shopper.get(f"orders/{order_id}", **{"If-None-Match": first["ETag"]})
    shopper.cancel(order_id)
    changed = shopper.get(f"orders/{order_id}", **{"If-None-Match": first["ETag"]})

    assert first["ETag"] == placed_["ETag"]
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert (changed.status_code, changed["ETag"] != first["ETag"]) == (200, True)


def test_a_cancel_means_the_order_that_was_read(shopper: Shopper):
    order_id = placed(payment_method="", customer_id=shopper.user.pk)
    stale = shopper.get(f"orders/{order_id}")["ETag"]
    shopper.pay(order_id, "pm_card_visa")

    refused = shopper.cancel(order_id, **{"If-Match": stale})
    done = shopper.cancel(order_id, **{"If-Match": shopper.get(f"orders/{order_id}")["ETag"]})

    assert (refused.status_code, refused.json()["code"]) == (412, "precondition_failed")
    assert (done.status_code, done.json()["status"]) == (200, "REFUNDED")


def test_a_partial_refund_changes_the_tag_too(shopper: Shopper, staff: Shopper):
    order_id = id_in(shopper.place())
    before = shopper.get(f"orders/{order_id}")["ETag"]

    staff.post(f"orders/{order_id}/refunds", REFUND)

    assert shopper.get(f"orders/{order_id}", **{"If-None-Match": before}).status_code == 200


def test_orders_come_newest_first_in_pages_that_do_not_shift(shopper: Shopper, settings: Any):
    made = [placed(customer_id=shopper.user.pk) for _each in range(23)]
    first = shopper.get("orders").json()
    placed(customer_id=shopper.user.pk)

    following = shopper.client.get(first["next"], headers=shopper.headers).json()

    seen = [uuid.UUID(order["id"]) for order in first["results"] + following["results"]]
    assert (len(first["results"]), following["next"]) == (20, None)
    assert seen == list(reversed(made))


def test_a_problem_has_its_shape_and_its_page(shopper: Shopper):
    answer = shopper.place(payment_method="pm_card_chargeDeclined")

    body = answer.json()
    assert answer["Content-Type"] == "application/problem+json"
    assert {"type", "title", "status", "detail", "instance", "code", "trace_id", "facts"} == set(body)
    assert (body["type"], body["status"]) == ("/problems/card_declined", 402)
    assert body["facts"]["order_id"] == str(id_in(answer))
    assert shopper.client.get(body["type"]).status_code == 200
    assert json.dumps(body).isascii()
