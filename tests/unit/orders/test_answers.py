"""The order as the API writes it, held against the serializer that describes it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from orders.models import OrderStatus
from orders.pricing.priced import Adjustment, AdjustmentKind
from orders.queries import Address, OrderLineState, OrderState
from orders.rest.prices import represent_adjustments
from orders.rest.serializers import OrderOut, next_action, represent
from orders.rules import CancelReason
from orders.services import extensions_left
from payments.api import PaymentState
from shop.money import Money
from shop.rest.problem import plain

TEXT = st.text(max_size=20)
MOMENTS = st.datetimes(
    min_value=datetime(2020, 1, 1),  # noqa: DTZ001  the strategy adds the zone
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-2))]),
).filter(lambda moment: moment.year < 9999)


def money(currency: str) -> st.SearchStrategy[Money]:
    return st.integers(0, 10**12).map(lambda minor: Money(minor, currency))


@st.composite
def orders(draw: st.DrawFn) -> OrderState:
    currency = draw(st.sampled_from(["EUR", "JPY", "KWD"]))
    prices = money(currency)
    line = st.builds(OrderLineState, TEXT, TEXT, st.integers(1, 999), prices)
    lines = draw(st.lists(line, max_size=3).map(tuple))
    shares = st.lists(st.integers(-(10**6), 10**6), min_size=len(lines), max_size=len(lines))
    adjustment = shares.flatmap(
        lambda parts: st.builds(
            Adjustment,
            kind=st.sampled_from(AdjustmentKind),
            label=TEXT,
            code=TEXT,
            rate=st.none() | st.decimals(0, 100, places=3),
            amount=st.just(Money(sum(parts), currency)),
            included=st.booleans(),
            shares=st.just(tuple(parts)),
        )
    )
    return draw(
        st.builds(
            OrderState,
            order_id=st.uuids(),
            number=TEXT,
            customer_id=st.uuids(),
            status=st.sampled_from(OrderStatus.values),
            version=st.integers(1, 9),
            total=prices,
            lines=st.just(lines),
            adjustments=st.lists(adjustment, max_size=3).map(tuple),
            email=TEXT,
            shipping_address=st.builds(Address, TEXT, TEXT, TEXT, TEXT, TEXT, TEXT, TEXT),
            placed_at=MOMENTS,
            pay_before=MOMENTS,
            has_payment_method=st.booleans(),
            confirmed_at=st.none() | MOMENTS,
            cancel_reason=st.sampled_from(["", *map(str, CancelReason)]),
            carrier=TEXT,
            tracking_number=TEXT,
        )
    )


PAYMENTS = st.builds(
    PaymentState,
    order_id=st.uuids(),
    status=st.sampled_from(["SUBMITTED", "REQUIRES_ACTION", "CAPTURED"]),
    amount=money("EUR"),
    captured=money("EUR"),
    refunded=money("EUR"),
    owed=money("EUR"),
    settled=money("EUR"),
    lost=money("EUR"),
    dispute=st.sampled_from(["", "NEEDS_RESPONSE", "LOST"]),
    client_secret=st.sampled_from(["", "pi_1_secret_2"]),
)


class Described:
    """An order with what only the API adds, as the serializer reads it."""

    def __init__(self, order: OrderState, payment: PaymentState | None) -> None:
        self.order, self.payment, self.next_action = order, payment, next_action(order, payment)
        self.cancel_reason = order.cancel_reason or None
        self.hold_extensions_left = extensions_left(order)

    @property
    def lines(self) -> list[dict[str, Any]]:
        fields = ("sku", "name", "quantity", "unit_price", "line_total")
        return [
            {name: getattr(line, name) for name in fields} | {"total": total}
            for line, total in zip(self.order.lines, self.order.line_totals, strict=True)
        ]

    @property
    def adjustments(self) -> list[dict[str, Any]]:
        written = represent_adjustments(self.order.adjustments)
        return [vars(each) | {"rate": told["rate"]} for each, told in zip(self.order.adjustments, written, strict=True)]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.order, name)


@settings(deadline=None, max_examples=200)
@given(orders(), st.none() | PAYMENTS)
def test_an_order_is_written_as_its_serializer_describes_it(order: OrderState, payment: PaymentState | None):
    described = plain(OrderOut(Described(order, payment)).data)
    if payment is not None and not payment.client_secret:
        del described["payment"]["client_secret"]

    written = represent(order, payment=payment)

    assert written == described
    assert list(written) == list(described)


def test_ids_are_written_as_text():
    order_id = uuid.uuid4()
    address = Address("", "", "", "", "", "", "")
    now = datetime.now(UTC)
    order = OrderState(
        order_id=order_id,
        number="1",
        customer_id=order_id,
        status=OrderStatus.PENDING,
        version=1,
        total=Money(1, "EUR"),
        lines=(),
        email="",
        shipping_address=address,
        placed_at=now,
        pay_before=now,
        has_payment_method=False,
    )

    assert represent(order, payment=None)["id"] == str(order_id)
