"""A confirmed order, its parcel, and a part of its money that is asked back."""

from __future__ import annotations

import uuid

from orders.sagas.entry import resume
from shipping import api as shipping
from tests.driver.orders import placed, status_of
from tests.driver.shopper import Shopper


def confirmed() -> uuid.UUID:
    order_id = placed()
    resume(order_id=order_id)
    assert status_of(order_id) == "CONFIRMED"
    return order_id


def parcel(order_id: uuid.UUID) -> str:
    found = shipping.get_shipment(order_id=order_id)
    return found.status if found else ""


def refund(staff: Shopper, order_id: uuid.UUID, minor: int, *, key: str = "", currency: str = "EUR"):
    amount = {"amount_minor": minor, "currency": currency}
    return staff.post(f"orders/{order_id}/refunds", {"amount": amount, "reason": "a scratch"}, key=key)
