"""Products, stock by hand, the ledger, and what the database itself refuses."""

from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, connections

from inventory import api as inventory
from inventory.models import Outbox, Stock, StockMovement
from inventory.services import ledger
from payments import api as payments
from shop import transactions
from shop.money import Money
from tests.integration.inventory.reservations import execute, levels, noting, reserve

pytestmark = pytest.mark.usefixtures("both_ways", "audited")


def low_facts() -> list[tuple[str, int]]:
    facts = Outbox.objects.filter(type="stock.low").order_by("id")
    return [(fact.payload["sku"], fact.payload["available"]) for fact in facts]


@pytest.mark.parametrize(
    "price", [Money(1250, "EUR"), Money(900, "JPY"), Money(12_340, "KWD"), Money(0, "USD")], ids=str
)
def test_product_is_offered_at_its_price_in_any_currency(shelf, price):
    shelf("MUG", 3, price)

    assert inventory.get_offers(skus=["MUG", "MUG"]) == {"MUG": inventory.ProductOffer("MUG", "A mug", price, 3)}


def test_offers_name_every_sku_that_is_not_for_sale(shelf):
    shelf()

    with pytest.raises(inventory.UnknownProduct) as refusal:
        inventory.get_offers(skus=["NO", "MUG", "ALSO\x00NO"])

    assert refusal.value.skus == ("ALSO\x00NO", "NO")


def test_sku_is_given_once(shelf):
    shelf()

    with pytest.raises(inventory.SkuTaken):
        shelf()


@pytest.mark.parametrize(
    ("sku", "name", "minor"), [("A B", "x", 1), ("A", " ", 1), ("A", "x" * 201, 1), ("A", "x", -1)]
)
def test_product_that_cannot_be_is_refused(database, sku, name, minor):
    with pytest.raises(inventory.InvalidProduct):
        inventory.add_product(sku=sku, name=name, price=Money(minor, "EUR"))


def test_write_off_never_takes_what_is_reserved_or_sold(shelf):
    shelf(quantity=5)
    reserve(("MUG", 3))

    with pytest.raises(inventory.StockWouldGoNegative) as refusal:
        inventory.write_off_stock(sku="MUG", quantity=3, reason="water damage")

    assert (refusal.value.sku, refusal.value.wanted, refusal.value.available) == ("MUG", 3, 2)
    assert levels() == (2, 3, 0)


def test_mistakes_by_hand_have_a_way_back(shelf):
    shelf(quantity=100)  # the delivery note said 10

    inventory.write_off_stock(sku="MUG", quantity=95, reason="typed 100 for 10, counted once more")
    level = inventory.receive_stock(sku="MUG", quantity=5, reference="five too many written off")

    assert (level.available, level.received, level.written_off) == (10, 105, 95)


@pytest.mark.parametrize("quantity", [0, -5])
def test_stock_by_hand_takes_whole_positive_quantities_only(shelf, quantity):
    shelf()

    with pytest.raises(inventory.InvalidQuantity):
        inventory.receive_stock(sku="MUG", quantity=quantity, reference="")
    with pytest.raises(inventory.InvalidQuantity):
        inventory.write_off_stock(sku="MUG", quantity=quantity, reason="")


def test_stock_of_an_unknown_product_is_refused(database):
    with pytest.raises(inventory.UnknownProduct):
        inventory.receive_stock(sku="MUG", quantity=1, reference="")


def test_low_stock_is_told_once_per_crossing(shelf, settings):
    settings.STOCK_LOW_THRESHOLD = 5
    shelf(quantity=7)

    reserve(("MUG", 1))
    assert low_facts() == []
    reserve(("MUG", 1))
    reserve(("MUG", 1))
    assert low_facts() == [("MUG", 5)]

    inventory.receive_stock(sku="MUG", quantity=10, reference="delivery 2")
    inventory.write_off_stock(sku="MUG", quantity=9, reason="breakage")
    assert low_facts() == [("MUG", 5), ("MUG", 5)]


@pytest.mark.parametrize(
    "sql", ["UPDATE inventory_stockmovement SET available_delta = 0", "DELETE FROM inventory_stockmovement"]
)
def test_ledger_can_only_be_appended_to(shelf, sql):
    shelf()

    with pytest.raises(IntegrityError, match="append-only"):
        execute(sql)

    assert StockMovement.objects.get().available_delta == 10


@pytest.mark.parametrize(
    "change",
    [
        "available = -1, reserved = 11",
        "reserved = -1, available = 11",
        "sold = -1, available = 11",
        "available = 11",
        "written_off = 1",
    ],
)
def test_database_itself_refuses_stock_that_breaks_its_law(shelf, change):
    shelf()

    with pytest.raises(IntegrityError):
        execute(f"UPDATE inventory_stock SET {change}")


def test_ledger_adds_up_to_the_stock(shelf):
    shelf()
    order_id = reserve(("MUG", 2), for_payment=True)
    inventory.commit_stock(order_id=order_id)
    inventory.return_stock(order_id=order_id)

    movements = StockMovement.objects.order_by("id")

    assert [(row.kind, row.available_delta, row.reserved_delta, row.sold_delta) for row in movements] == [
        ("RECEIVED", 10, 0, 0),
        ("RESERVED", -2, 2, 0),
        ("COMMITTED", 0, -2, 2),
        ("RETURNED", 2, 0, -2),
    ]
    assert Stock.objects.get().version == 5


def refused(*lines: tuple[str, int], order_id: UUID) -> None:
    with pytest.raises(inventory.InsufficientStock):
        reserve(*lines, order_id=order_id)


@pytest.mark.parametrize("both_ways", ["alone"], indirect=True)
@pytest.mark.parametrize(
    ("call", "statements"),
    [
        (lambda order_id: reserve(("CUP", 1), ("MUG", 1), order_id=order_id, for_payment=True), 1),
        (lambda order_id: refused(("CUP", 1), ("MUG", 1000), order_id=order_id), 2),
        (lambda order_id: inventory.begin_payment(order_id=reserve(("MUG", 1), order_id=order_id)), 1 + 1),
        (
            lambda order_id: inventory.commit_stock(order_id=reserve(("MUG", 1), order_id=order_id, for_payment=True)),
            1 + 1,
        ),
        (lambda order_id: inventory.release_stock(order_id=reserve(("MUG", 1), order_id=order_id)), 1 + 2),
        (lambda order_id: inventory.release_stock(order_id=order_id), 2),
        (lambda order_id: inventory.get_offers(skus=["CUP", "MUG"]), 1),
    ],
    ids=["reserve", "refusal", "begin_payment", "commit", "release", "tombstone", "offers"],
)
def test_use_cases_cost_as_many_statements_as_promised(shelf, call, statements):
    shelf("CUP")
    shelf("MUG")
    connection = connections[transactions.alias_for("inventory")]
    asked: list[str] = []

    with connection.execute_wrapper(noting(asked)):
        call(uuid4())

    assert len(asked) == statements, "\n".join(asked)


def test_a_price_that_can_never_be_charged_is_refused(shelf):
    sku = shelf()

    for call in (inventory.add_product, inventory.change_product):
        with pytest.raises(payments.UnchargeableAmount):
            call(
                sku="NEW" if call is inventory.add_product else sku,
                name="A mug",
                price=Money(12345, "KWD"),
                active=True,
            )


def test_stock_of_a_product_that_has_none_is_not_moved_and_the_ledger_is_not_told(shelf):
    shelf()
    lines = [(None, inventory.Line("MUG", 1)), (None, inventory.Line("CUP", 1))]

    with pytest.raises(LookupError, match="CUP"), ledger.unit_of_work() as cursor:
        ledger.move(cursor, ledger.RECEIVE, lines, reference="delivery 2")

    assert levels() == (10, 0, 0)
    assert not StockMovement.objects.filter(reference="delivery 2").exists()
