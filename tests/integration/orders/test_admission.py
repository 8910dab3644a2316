"""A rush: as many orders are let in as the process bears, the others are told to come again, at once and unrecorded."""

from __future__ import annotations

import io
import json
import logging
import uuid
from collections.abc import Callable
from contextlib import ExitStack, suppress
from threading import Event
from typing import Any

import pytest
from prometheus_client import REGISTRY

from orders.models import Order
from orders.sagas.entry import resume
from payments.gateways.stripe.adapter import StripeProvider
from shop.models import IdempotencyKey
from shop.resilience.admission import LOOKS_A_SECOND, Admission, Overloaded, Place, orders_at_work
from tests.driver.factories import OrderBodyFactory, UserFactory
from tests.driver.logs import captured
from tests.driver.orders import placed, status_of
from tests.driver.provider import PATIENCE_SECONDS, Provider, in_threads
from tests.driver.shopper import Shopper, id_in
from tests.sql_guard import SqlGuard


def at_work() -> float:
    return REGISTRY.get_sample_value("shop_orders_at_work") or 0.0


def turned_away() -> float:
    return REGISTRY.get_sample_value("shop_orders_turned_away_total") or 0.0


def occupy(full: ExitStack, *places: Place) -> None:
    assert [full.enter_context(orders_at_work.enter()) for _ in places] == list(places)


def assert_turned_away(answer: Any) -> None:
    assert (answer.status_code, answer["Content-Type"]) == (503, "application/problem+json")
    assert answer.json()["code"] == "overloaded"
    assert 1 <= int(answer["Retry-After"]) <= 3


def test_beyond_the_bound_an_order_is_503_without_a_single_statement(
    shopper: Shopper, settings: Any, sql_guard: SqlGuard
):
    settings.MAX_ORDERS_AT_WORK = 1
    order_id, before = placed(customer_id=shopper.user.pk), turned_away()
    sql_guard.statements.clear()

    with ExitStack() as full:
        occupy(full, Place.WORK, Place.LOOK)
        answers = [shopper.place(), shopper.pay(order_id), shopper.cancel(order_id)]

    for answer in answers:
        assert_turned_away(answer)
    assert sql_guard.statements == []
    assert turned_away() - before == 3
    assert (status_of(order_id), Order.objects.count()) == ("PENDING", 1)
    assert shopper.place().status_code == 201


def test_who_is_turned_away_is_told_in_one_line_that_is_no_error(shopper: Shopper, settings: Any):
    settings.MAX_ORDERS_AT_WORK = 1

    with captured(level=logging.INFO) as printed, ExitStack() as full:
        occupy(full, Place.WORK, Place.LOOK)
        assert_turned_away(shopper.place())

    (line,) = map(json.loads, printed.getvalue().splitlines())
    assert (line["event"], line["code"], line["level"]) == ("request_finished", 503, "warning")
    assert line["problem"] == "overloaded"


def test_who_may_only_look_is_turned_away_in_one_line_as_well(shopper: Shopper, settings: Any):
    settings.MAX_ORDERS_AT_WORK = 1

    with captured(level=logging.INFO) as printed, ExitStack() as full:
        occupy(full, Place.WORK)
        assert_turned_away(shopper.place())

    assert [json.loads(line)["level"] for line in printed.getvalue().splitlines()] == ["warning"]


def test_a_request_that_may_only_look_gets_the_kept_answer_or_is_turned_away(
    shopper: Shopper, settings: Any, sandbox: Provider
):
    settings.MAX_ORDERS_AT_WORK = 1
    key, new = str(uuid.uuid4()), str(uuid.uuid4())
    first = shopper.place(key=key)

    with ExitStack() as full:
        occupy(full, Place.WORK)
        again, refused = shopper.place(key=key), shopper.place(key=new)

    assert (again.status_code, again.content) == (201, first.content)
    assert_turned_away(refused)
    assert Order.objects.count() == IdempotencyKey.objects.count() == 1
    assert shopper.place(key=new).status_code == 201


def test_a_rush_leaves_few_a_look_for_kept_answers(settings: Any):
    settings.MAX_ORDERS_AT_WORK = 1
    seconds = [0.0]
    admission = Admission(clock=lambda: seconds[0])

    def looks_of_a_rush() -> int:
        let_in = 0
        for _each in range(5 * LOOKS_A_SECOND):
            with suppress(Overloaded), admission.enter() as place:
                let_in += place is Place.LOOK
        return let_in

    with admission.enter():
        first = looks_of_a_rush()
        seconds[0] += 0.5
        later = looks_of_a_rush()
        seconds[0] += 3600
        rested = looks_of_a_rush()

    assert (first, later, rested) == (LOOKS_A_SECOND, LOOKS_A_SECOND // 2, LOOKS_A_SECOND)


def test_what_keeps_no_thread_waiting_for_a_provider_needs_no_place(shopper: Shopper, settings: Any):
    settings.MAX_ORDERS_AT_WORK = 1
    order_id = id_in(shopper.place())

    with ExitStack() as full:
        occupy(full, Place.WORK, Place.LOOK)
        recorded = shopper.place(headers={"Prefer": "respond-async"})
        read, listed = shopper.get(f"orders/{order_id}"), shopper.get("orders")

    assert (recorded.status_code, read.status_code, listed.status_code) == (202, 200, 200)
    resume(order_id=id_in(recorded))


class Body(io.BytesIO):
    """A body that says how many orders are at work while it arrives."""

    def __init__(self, content: bytes, *, breaks_off: bool = False) -> None:
        super().__init__(content)
        self.breaks_off = breaks_off
        self.at_work: list[float] = []

    def read(self, *arguments: Any) -> bytes:
        self.at_work.append(at_work())
        if self.breaks_off:
            raise ConnectionResetError
        return super().read(*arguments)


def placing(shopper: Shopper, body: Body) -> Any:
    return shopper.client.request(
        REQUEST_METHOD="POST",
        PATH_INFO="/api/v1/orders",
        CONTENT_TYPE="application/json",
        CONTENT_LENGTH=str(len(body.getvalue())),
        HTTP_AUTHORIZATION=shopper.headers["Authorization"],
        HTTP_IDEMPOTENCY_KEY=str(uuid.uuid4()),
        **{"wsgi.input": body},
    )


def test_a_request_takes_no_place_and_no_statement_before_it_has_come_whole(shopper: Shopper, sql_guard: SqlGuard):
    content = json.dumps(OrderBodyFactory()).encode()
    whole, broken = Body(content), Body(content, breaks_off=True)

    assert placing(shopper, whole).status_code == 201
    sql_guard.statements.clear()
    refused = placing(shopper, broken)

    assert (refused.status_code, refused.json()["code"]) == (400, "body_unreadable")
    assert set(whole.at_work) == set(broken.at_work) == {0.0}
    assert sql_guard.statements == []


def test_every_way_out_gives_the_place_back(
    shopper: Shopper, settings: Any, sandbox: Provider, monkeypatch: pytest.MonkeyPatch, settle: Callable[[], None]
):
    settings.MAX_ORDERS_AT_WORK = 1
    shopper.client.raise_request_exception = False
    sandbox.fail("lost_answer", "/v1/payment_intents/*/confirm")

    assert shopper.place().status_code == 202
    assert shopper.place(payment_method="pm_card_chargeDeclined").status_code == 402
    assert shopper.post("orders", "{").status_code == 400
    assert Shopper().place().status_code == 401
    with monkeypatch.context() as broken:
        broken.setattr("orders.rest.views.place_order", lambda **_asked: 1 / 0)
        assert shopper.place().status_code == 500

    assert at_work() == 0
    assert shopper.place().status_code == 201
    settle()


def test_in_a_rush_those_let_in_are_bounded_and_the_others_wait_for_nobody(
    mug: str, settings: Any, monkeypatch: pytest.MonkeyPatch
):
    settings.MAX_ORDERS_AT_WORK = 2
    shoppers = [Shopper(UserFactory()) for _ in range(12)]
    away: list[int] = []
    all_are_away, create = Event(), StripeProvider.create_intent

    def create_once_all_are_away(provider: StripeProvider, **asked: Any) -> Any:
        assert all_are_away.wait(PATIENCE_SECONDS), "some wait for those who were let in"
        return create(provider, **asked)

    def buy(shopper: Shopper) -> int:
        if (status := shopper.place().status_code) == 503:
            away.append(status)
        if len(away) == 10:
            all_are_away.set()
        return status

    monkeypatch.setattr(StripeProvider, "create_intent", create_once_all_are_away)
    statuses = in_threads(*(lambda shopper=shopper: buy(shopper) for shopper in shoppers))

    assert sorted(statuses) == [201] * 2 + [503] * 10
    assert Order.objects.count() == 2
