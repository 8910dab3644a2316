"""The checker sees: books that are right pass, and each wrong that is planted is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import cast

import pytest
import requests

from tests.proof.processes.books import Books, Charge, OrderRow, StockRow
from tests.proof.processes.checker import judge
from tests.proof.processes.load import Client
from tests.proof.processes.purchases import Answer, Purchase, plan, read_answer
from tests.proof.processes.shop import ChaosShop

HISTORY = "round 3 (worker killed), SEED=1"
SKU = (("MUG", 1),)
NEVER_TOLD = (200, 400, 401, 403, 404, 422, 500)


def told(*answers: Answer, key: str = "key-1") -> Purchase:
    return Purchase(key=key, customer_id="ada", sku="MUG", history=HISTORY, answers=list(answers))


def bought() -> tuple[list[Purchase], Books]:
    """Return two orders as they should be: one confirmed, one declined."""
    confirmed = told(Answer("place", None), Answer("place", 201, "order-1", "CONFIRMED"))
    declined = told(Answer("place", 402, "order-2", "CANCELED", "card_declined"), key="key-2")
    books = Books(
        orders=[
            OrderRow(
                "order-1",
                "ada",
                "key-1",
                "CONFIRMED",
                1250,
                SKU,
                "COMMITTED",
                "CAPTURED",
                "pi_1",
                shipments=1,
                bookings=1,
                mails=("order_confirmed",),
            ),
            OrderRow(
                "order-2",
                "ada",
                "key-2",
                "CANCELED",
                1250,
                SKU,
                "RELEASED",
                "VOIDED",
                "pi_2",
                mails=("order_canceled",),
            ),
        ],
        charges=[
            Charge("pi_1", "order-1", "succeeded", 1250, 1250, 1250, captures=1),
            Charge("pi_2", "order-2", "canceled", 1250),
        ],
        stock=[StockRow("MUG", available=9, reserved=0, sold=1, received=10)],
        events={"event-1": "order.confirmed"},
        told={"event-1"},
        deliveries={("shipping.ship", "event-1"): "PROCESSED"},
        hearers={"event-1": ("shipping.ship",)},
    )
    return [confirmed, declined], books


def test_books_that_are_right_pass():
    assert judge(*bought()) == []


Plant = Callable[[list[Purchase], Books], None]


def missing_order(purchases: list[Purchase], books: Books) -> None:
    books.orders, books.charges, books.stock = books.orders[1:], books.charges[1:], []


def double_charge(purchases: list[Purchase], books: Books) -> None:
    books.charges[0] = replace(books.charges[0], authorized=2500, captured=2500, captures=2)


def charged_twice_by_two_intents(purchases: list[Purchase], books: Books) -> None:
    books.charges.append(replace(books.charges[0], intent_id="pi_3"))


def unrecorded_charge(purchases: list[Purchase], books: Books) -> None:
    books.orders[0] = replace(books.orders[0], intent_id="")


def charge_without_order(purchases: list[Purchase], books: Books) -> None:
    books.charges.append(Charge("pi_9", "order-9", "requires_capture", 1250, 1250))


def lost_order(purchases: list[Purchase], books: Books) -> None:
    books.orders[0] = replace(books.orders[0], status="CONFIRMING")
    purchases[0].answers = [Answer("place", 202, "order-1", "CONFIRMING")]


def confirmed_and_then_canceled(purchases: list[Purchase], books: Books) -> None:
    books.orders[0] = replace(books.orders[0], status="CANCELED", reservation="RELEASED", shipments=0)
    books.charges[0] = replace(books.charges[0], refunded=1250)
    books.stock[0] = replace(books.stock[0], available=10, sold=0)


def confirmed_and_never_charged(purchases: list[Purchase], books: Books) -> None:
    books.charges[0] = Charge("pi_1", "order-1", "requires_confirmation", 1250)


def canceled_and_money_kept(purchases: list[Purchase], books: Books) -> None:
    books.charges[1] = replace(books.charges[1], status="succeeded", authorized=1250, captured=1250, captures=1)


def canceled_and_money_held(purchases: list[Purchase], books: Books) -> None:
    books.charges[1] = replace(books.charges[1], status="requires_capture", authorized=1250)


def two_orders_for_a_key(purchases: list[Purchase], books: Books) -> None:
    books.orders.append(replace(books.orders[1], order_id="order-3", key="key-1", intent_id=""))


def two_orders_told(purchases: list[Purchase], books: Books) -> None:
    purchases[0].answers.append(Answer("place", 201, "order-2", "CONFIRMED"))


def oversold(purchases: list[Purchase], books: Books) -> None:
    books.stock[0] = replace(books.stock[0], available=-1, sold=11)


def stock_leaked(purchases: list[Purchase], books: Books) -> None:
    books.stock[0] = replace(books.stock[0], available=8, reserved=1)


def event_never_heard(purchases: list[Purchase], books: Books) -> None:
    books.deliveries.clear()


def event_dead(purchases: list[Purchase], books: Books) -> None:
    books.deliveries["shipping.ship", "event-1"] = "DEAD"


def event_heard_that_was_rolled_back(purchases: list[Purchase], books: Books) -> None:
    books.deliveries["shipping.ship", "event-2"] = "PROCESSED"


def two_parcels(purchases: list[Purchase], books: Books) -> None:
    books.orders[0] = replace(books.orders[0], shipments=2)


def answered(status: int, code: str = "", *, asked: str = "place") -> Plant:
    def plant(purchases: list[Purchase], books: Books) -> None:
        purchases[0].answers.append(Answer(asked, status, "order-1", "", code))

    return plant


def gave_up(purchases: list[Purchase], books: Books) -> None:
    answers = [Answer("place", None), Answer("place", 503, code="database_unavailable")]
    purchases.append(replace(told(*answers, key="key-7"), gave_up=True))


def canceled_and_kept(status: int, shown: str, ends: str) -> Plant:
    def plant(purchases: list[Purchase], books: Books) -> None:
        purchases[0].answers.append(Answer("cancel", status, "order-1", shown))
        books.orders[0] = replace(books.orders[0], status=ends, mails=(*books.orders[0].mails, "order_shipped"))

    return plant


def mails(*kinds: str, status: str = "CONFIRMED") -> Plant:
    def plant(purchases: list[Purchase], books: Books) -> None:
        books.orders[0] = replace(books.orders[0], status=status, mails=kinds)

    return plant


def canceled_and_still_booked(purchases: list[Purchase], books: Books) -> None:
    books.orders[1] = replace(books.orders[1], bookings=1)


def booked_twice(purchases: list[Purchase], books: Books) -> None:
    books.orders[0] = replace(books.orders[0], bookings=2)


@pytest.mark.parametrize(
    ("plant", "named"),
    [
        (missing_order, "order order-1, of which its client was told, does not exist"),
        (double_charge, "order-1 was charged 2 times"),
        (charged_twice_by_two_intents, "order-1 was charged 2 times"),
        (unrecorded_charge, "order-1 has no record of charge pi_1"),
        (charge_without_order, "took 1250 for order order-9, which does not exist"),
        (lost_order, "order-1 is lost: it rests as CONFIRMING"),
        (confirmed_and_then_canceled, "order-1 was told as confirmed and is CANCELED"),
        (confirmed_and_never_charged, "order-1 is CONFIRMED with 0 captures"),
        (canceled_and_money_kept, "order-2 is CANCELED while the provider keeps 1250"),
        (canceled_and_money_held, "order-2 is CANCELED while the provider keeps 0 and holds 1250"),
        (two_orders_for_a_key, "2 orders stand for key key-1"),
        (two_orders_told, "key key-1 was told of 2 orders"),
        (oversold, "the stock of MUG does not add up"),
        (stock_leaked, "MUG says 1 reserved"),
        (event_never_heard, "as never heard"),
        (event_dead, "as DEAD"),
        (event_heard_that_was_rolled_back, "has heard event-2, which nobody told"),
        (two_parcels, "with 2 shipments"),
        *((answered(status), f"key key-1 asked to place and was answered {status}") for status in NEVER_TOLD),
        (answered(500, "internal_error"), "key key-1 asked to place and was answered 500 internal_error"),
        (answered(402, "card_declined", asked="cancel"), "key key-1 asked to cancel and was answered 402"),
        (answered(409, "conflict", asked="look"), "key key-1 asked to look and was answered 409"),
        (gave_up, "key key-7 gave up without ever learning"),
        (canceled_and_kept(200, "", "CONFIRMED"), "order-1 was answered 200 to its cancel and is CONFIRMED"),
        (canceled_and_kept(202, "REFUNDING", "CONFIRMED"), "order-1 was answered 202 to its cancel and is CONFIRMED"),
        (canceled_and_kept(200, "", "SHIPPED"), "order-1 was answered 200 to its cancel and is SHIPPED"),
        (canceled_and_kept(202, "CANCELING", "DELIVERED"), "order-1 was answered 202 to its cancel and is DELIVERED"),
        (mails(), "order-1 is CONFIRMED with the mails none; it must be order_confirmed"),
        (mails("order_confirmed", "order_confirmed"), "with the mails order_confirmed, order_confirmed; it must be"),
        (mails("order_confirmed", status="SHIPPED"), "order-1 is SHIPPED with the mails order_confirmed; it must be"),
        (mails("order_confirmed", status="DELIVERED"), "it must be order_confirmed, order_shipped"),
        (mails("order_confirmed", "order_canceled", status="CANCELED"), "it must be order_canceled"),
        (mails("order_confirmed", status="REFUNDED"), "it must be order_confirmed, order_refunded"),
        (mails("order_confirmed", "order_refunded"), "order_refunded; it must be order_confirmed"),
        (mails("order_confirmed", status="AWAITING_PAYMENT"), "it must be none"),
        (canceled_and_still_booked, "order-2 is CANCELED and the carrier has 1 bookings for it"),
        (booked_twice, "order-1 is CONFIRMED and was booked 2 times"),
    ],
)
def test_a_planted_wrong_is_named(plant: Plant, named: str):
    purchases, books = bought()
    plant(purchases, books)

    found = judge(purchases, books)

    assert any(named in violation for violation in found), found


def test_a_wrong_that_a_client_met_names_its_round_fault_and_seed():
    purchases, books = bought()
    missing_order(purchases, books)

    assert [wrong for wrong in judge(purchases, books) if wrong.startswith(HISTORY)]


def test_a_clients_timeout_is_no_promise():
    unknown = told(Answer("place", None), key="key-7")

    assert judge([*bought()[0], unknown], bought()[1]) == []


def test_what_a_busy_shop_may_say_is_no_violation():
    purchases, books = bought()
    purchases[0].answers[:0] = [Answer("place", 429), Answer("place", 503, "order-1", "PENDING", "payment_unavailable")]

    assert judge(purchases, books) == []


def test_a_client_that_gave_up_after_it_had_learned_of_its_order_is_no_violation():
    purchases, books = bought()

    assert judge([replace(wish, gave_up=True) for wish in purchases], books) == []


def test_a_parcel_that_left_before_anybody_knew_excuses_a_cancel_that_was_taken_on():
    purchases, books = bought()
    canceled_and_kept(202, "REFUNDING", "SHIPPED")(purchases, books)

    assert judge(purchases, books) == []


def test_the_mails_and_the_parcel_of_an_order_that_is_moving_may_be_on_their_way():
    purchases, books = bought()
    mails("order_confirmed", status="SHIPPED")(purchases, books)
    canceled_and_still_booked(purchases, books)
    books.orders = [replace(order, is_moving=True) for order in books.orders]

    assert judge(purchases, books) == []


def test_a_customer_who_has_not_answered_the_bank_may_be_waited_for():
    purchases, books = bought()
    books.orders.append(OrderRow("order-4", "ada", "key-4", "AWAITING_PAYMENT", 1250, SKU, "PAYING", "", "pi_4"))
    books.charges.append(Charge("pi_4", "order-4", "requires_action", 1250))
    books.stock[0] = replace(books.stock[0], available=8, reserved=1)

    assert judge(purchases, books) == []


def test_an_order_and_a_problem_are_read_alike():
    order = read_answer("place", 201, {"id": "order-1", "status": "CONFIRMED"})
    problem = read_answer("place", 402, {"code": "card_declined", "facts": {"order_id": "order-2"}})

    assert (order.order_id, order.order_status, order.is_final) == ("order-1", "CONFIRMED", True)
    assert (problem.order_id, problem.code, problem.is_final) == ("order-2", "card_declined", True)
    assert not read_answer("place", 503, {"code": "payment_provider_unavailable"}).is_final


def test_the_same_seed_plans_the_same_purchases():
    first, again, other = (plan(seed=seed, customers=["ada", "bob"], count=20, history="") for seed in "112")

    assert first == again
    assert first != other
    assert len({wish.key for wish in first}) == 20


def test_an_answer_that_is_no_json_is_told_by_its_status():
    wish, bare = told(), requests.Response()
    bare.status_code, bare._content = 500, b"<h1>Server Error (500)</h1>"

    Client(cast(ChaosShop, None), wish)._ask("place", lambda: bare)

    assert wish.answers == [Answer("place", 500)]
    assert any("was answered 500" in wrong for wrong in judge([wish], Books()))


def test_a_client_whose_patience_ends_says_so():
    wish = told()
    client = Client(cast(ChaosShop, None), wish)
    client._gives_up_at = 0

    def refuse() -> requests.Response:
        raise requests.ConnectionError

    assert client._insist("place", refuse) is None
    assert wish.gave_up
    assert not wish.knows_its_order
