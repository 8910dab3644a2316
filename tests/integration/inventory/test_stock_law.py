"""Promise I1 as a property: whatever is asked in whatever order, stock is what a model of three lines says it is."""

from uuid import UUID, uuid4

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from inventory import api as inventory
from inventory.models import Stock
from shop.errors import Refusal
from shop.money import Money
from tests.integration.inventory.reservations import inventory_violations, pass_expiry, status_of

QUANTITY = st.integers(1, 6)


class Shop(RuleBasedStateMachine):
    orders = Bundle("orders")

    @initialize()
    def open(self) -> None:
        self.skus = [f"SKU-{uuid4().hex[:12]}" for _ in range(2)]
        self.received = dict.fromkeys(self.skus, 0)
        self.written_off = dict.fromkeys(self.skus, 0)
        self.kept: dict[UUID, tuple[str, dict[str, int]]] = {}
        for sku in self.skus:
            inventory.add_product(sku=sku, name="thing", price=Money(100, "EUR"))

    def available(self, sku: str) -> int:
        taken = sum(
            lines.get(sku, 0) for status, lines in self.kept.values() if status in {"HELD", "PAYING", "COMMITTED"}
        )
        return self.received[sku] - self.written_off[sku] - taken

    @rule(which=st.integers(0, 1), quantity=QUANTITY)
    def receive(self, which: int, quantity: int) -> None:
        inventory.receive_stock(sku=self.skus[which], quantity=quantity, reference="")
        self.received[self.skus[which]] += quantity

    @rule(which=st.integers(0, 1), quantity=QUANTITY)
    def write_off(self, which: int, quantity: int) -> None:
        enough = quantity <= self.available(self.skus[which])
        try:
            inventory.write_off_stock(sku=self.skus[which], quantity=quantity, reason="")
        except inventory.StockWouldGoNegative:
            assert not enough
        else:
            assert enough
            self.written_off[self.skus[which]] += quantity

    @rule(
        target=orders, lines=st.lists(st.tuples(st.integers(0, 1), QUANTITY), min_size=1, max_size=3), pay=st.booleans()
    )
    def reserve(self, lines: list[tuple[int, int]], pay: bool) -> object:
        order_id = uuid4()
        wanted: dict[str, int] = {}
        for which, quantity in lines:
            wanted[self.skus[which]] = wanted.get(self.skus[which], 0) + quantity
        enough = all(quantity <= self.available(sku) for sku, quantity in wanted.items())
        asked = [inventory.Line(self.skus[which], quantity) for which, quantity in lines]
        try:
            inventory.reserve_stock(order_id=order_id, lines=asked, for_payment=pay)
        except inventory.InsufficientStock:
            assert not enough
            self.kept[order_id] = "SHORT", {}
        else:
            assert enough
            self.kept[order_id] = "PAYING" if pay else "HELD", wanted
        return order_id

    @rule(order_id=orders, step=st.sampled_from(["begin_payment", "commit_stock", "release_stock", "return_stock"]))
    def step(self, order_id: UUID, step: str) -> None:
        status, lines = self.kept[order_id]
        try:
            after = getattr(inventory, step)(order_id=order_id).status
        except Refusal:
            after = status
        legal = {
            ("begin_payment", "HELD"): "PAYING",
            ("commit_stock", "PAYING"): "COMMITTED",
            ("return_stock", "COMMITTED"): "RETURNED",
            **{("release_stock", status): "RELEASED" for status in ("HELD", "PAYING", "COMMITTED")},
        }
        assert after == legal.get((step, status), status)
        self.kept[order_id] = after, lines

    @rule(order_id=orders)
    def time_passes(self, order_id: UUID) -> None:
        status, lines = self.kept[order_id]
        pass_expiry(order_id)
        inventory.release_expired_reservations()
        self.kept[order_id] = "EXPIRED" if status == "HELD" else status, lines

    @invariant()
    def stock_is_what_the_model_says(self) -> None:
        for sku in self.skus:
            stock = Stock.objects.get(product_id=sku)
            assert stock.available == self.available(sku) >= 0
            assert stock.available + stock.reserved + stock.sold == stock.received - stock.written_off
        assert {order_id: status_of(order_id) for order_id in self.kept} == {
            order_id: status for order_id, (status, _) in self.kept.items()
        }

    def teardown(self) -> None:
        assert inventory_violations() == []


def test_stock_follows_its_law_through_any_sequence_of_use_cases(both_ways):
    run_state_machine_as_test(
        Shop,
        settings=settings(
            max_examples=25,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
