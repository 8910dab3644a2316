"""Every status x every use case, from a table: what the caller gets, where the reservation stands, where its stock is."""

from uuid import UUID

import pytest

from inventory import api as inventory
from inventory.api import InsufficientStock, ReservationClosed, ReservationMismatch, ReservationNotFound
from inventory.events import StockPaymentBegan
from inventory.models import RESERVATION_TRANSITIONS, Outbox, Reservation
from shop.states import IllegalTransition, change_status
from tests.integration.inventory.reservations import levels, reservation_in, reserve, status_of

pytestmark = pytest.mark.usefixtures("both_ways", "audited")

LINES = (inventory.Line("MUG", 2),)


def _same_lines(order_id: UUID) -> tuple[inventory.Line, ...]:
    kept = inventory.get_reservation(order_id=order_id)
    return kept.lines if kept and kept.lines else LINES


MUTATORS = {
    "hold": lambda order_id: inventory.reserve_stock(order_id=order_id, lines=_same_lines(order_id), for_payment=False),
    "pay_at_once": lambda order_id: inventory.reserve_stock(
        order_id=order_id, lines=_same_lines(order_id), for_payment=True
    ),
    "begin": lambda order_id: inventory.begin_payment(order_id=order_id),
    "commit": lambda order_id: inventory.commit_stock(order_id=order_id),
    "release": lambda order_id: inventory.release_stock(order_id=order_id),
    "return": lambda order_id: inventory.return_stock(order_id=order_id),
    "sweep": lambda order_id: inventory.release_expired_reservations(),
}

# status -> what each mutator leads to, in the order of MUTATORS; "!X" is a refusal that leaves the row in X.
TABLE = {
    "NOTHING": "HELD PAYING !None !None RELEASED RELEASED None",
    "HELD": "HELD PAYING PAYING !HELD RELEASED HELD HELD",
    "OVERDUE_HELD": "!EXPIRED !EXPIRED !EXPIRED !HELD RELEASED HELD EXPIRED",
    "PAYING": "PAYING PAYING PAYING COMMITTED RELEASED PAYING PAYING",
    "OVERDUE_PAYING": "PAYING PAYING PAYING COMMITTED RELEASED PAYING PAYING",
    "COMMITTED": "COMMITTED COMMITTED COMMITTED COMMITTED RELEASED RETURNED COMMITTED",
    "RELEASED": "!RELEASED !RELEASED !RELEASED !RELEASED RELEASED RELEASED RELEASED",
    "EXPIRED": "!EXPIRED !EXPIRED !EXPIRED !EXPIRED EXPIRED EXPIRED EXPIRED",
    "RETURNED": "!RETURNED !RETURNED !RETURNED !RETURNED RETURNED RETURNED RETURNED",
    "SHORT": "!SHORT !SHORT !SHORT !SHORT SHORT SHORT SHORT",
}
CASES = [
    (before, mutator, expected)
    for before, row in TABLE.items()
    for mutator, expected in zip(MUTATORS, row.split(), strict=True)
]
WHERE_STOCK_IS = {"HELD": (8, 2, 0), "PAYING": (8, 2, 0), "COMMITTED": (8, 0, 2)}
REFUSALS = {"SHORT": InsufficientStock, "None": ReservationNotFound}


@pytest.mark.parametrize(("before", "mutator", "expected"), CASES)
def test_every_use_case_in_every_status_does_what_the_table_says(shelf, before, mutator, expected):
    shelf(quantity=10)
    order_id = reservation_in(before)

    for _again in range(2):  # asked twice, it must stand as after the first time
        if expected.startswith("!"):
            with pytest.raises(REFUSALS.get(expected[1:], ReservationClosed)):
                MUTATORS[mutator](order_id)
        else:
            MUTATORS[mutator](order_id)

        assert str(status_of(order_id)) == expected.removeprefix("!")
        assert levels() == WHERE_STOCK_IS.get(expected.removeprefix("!"), (10, 0, 0))


@pytest.mark.parametrize("status", sorted(RESERVATION_TRANSITIONS.terminal))
def test_nothing_leaves_a_terminal_status_even_by_force(shelf, status):
    shelf()
    order_id = reservation_in(status)
    reservation = Reservation.objects.get(pk=order_id)

    reservation.status = "HELD"
    with pytest.raises(IllegalTransition):
        reservation.save()
    with pytest.raises(IllegalTransition):
        change_status(Reservation, order_id, expected={status}, event=StockPaymentBegan(order_id=order_id))


def test_two_lines_of_the_same_sku_are_summed_and_never_oversold(shelf):
    shelf(quantity=3)

    with pytest.raises(InsufficientStock) as refusal:
        reserve(("MUG", 2), ("MUG", 2))
    order_id = reserve(("MUG", 2), ("MUG", 1))

    assert (refusal.value.sku, refusal.value.wanted, refusal.value.available) == ("MUG", 4, 3)
    assert inventory.get_reservation(order_id=order_id).lines == (inventory.Line("MUG", 3),)
    assert levels() == (0, 3, 0)


def test_an_order_is_kept_whole_or_not_at_all(shelf):
    shelf("CUP", quantity=5)
    shelf("MUG", quantity=1)

    with pytest.raises(InsufficientStock):
        reserve(("CUP", 1), ("MUG", 2))

    assert levels("CUP") == (5, 0, 0)
    assert levels("MUG") == (1, 0, 0)


def test_refusal_for_want_of_stock_stays_when_stock_arrives(shelf):
    shelf(quantity=1)
    order_id = reservation_in("SHORT")
    inventory.receive_stock(sku="MUG", quantity=5000, reference="delivery 2")

    with pytest.raises(InsufficientStock) as refusal:
        reserve(("MUG", 1000), order_id=order_id)

    assert (refusal.value.wanted, refusal.value.available) == (1000, 1)


def test_reservation_asked_for_late_finds_the_tombstone(shelf):
    shelf()
    order_id = reservation_in("NOTHING")
    tombstone = inventory.release_stock(order_id=order_id)

    with pytest.raises(ReservationClosed) as refusal:
        reserve(("MUG", 1), order_id=order_id)

    assert refusal.value.status == tombstone.status == "RELEASED"
    assert tombstone.lines == ()
    assert levels() == (10, 0, 0)


def test_other_lines_for_the_same_order_are_refused(shelf):
    shelf()
    order_id = reserve(("MUG", 1))

    with pytest.raises(ReservationMismatch):
        reserve(("MUG", 2), order_id=order_id)

    assert levels() == (9, 1, 0)


def test_product_that_is_not_for_sale_is_refused_and_leaves_nothing(shelf):
    shelf()
    inventory.change_product(
        sku="MUG", name="A mug", price=inventory.get_offers(skus=["MUG"])["MUG"].price, active=False
    )
    order_id = reservation_in("NOTHING")

    for sku in ("MUG", "NOBODY-KNOWS"):
        with pytest.raises(inventory.UnknownProduct) as refusal:
            reserve((sku, 1), order_id=order_id)
        assert refusal.value.skus == (sku,)

    assert status_of(order_id) is None


def test_each_step_publishes_its_fact_with_the_next_version(shelf):
    shelf()
    order_id = reserve(("MUG", 2))
    inventory.begin_payment(order_id=order_id)
    inventory.commit_stock(order_id=order_id)
    inventory.return_stock(order_id=order_id)

    facts = Outbox.objects.filter(aggregate_id=order_id).order_by("id").values_list("type", "aggregate_version")

    assert list(facts) == [
        ("stock.reserved", 1),
        ("stock.payment_began", 2),
        ("stock.committed", 3),
        ("stock.returned", 4),
    ]
