"""Giving an unpaid order what it is paid with."""

from __future__ import annotations

import uuid

from django.db.models.functions import Now

from orders.models import PAYABLE, Order, Saga
from orders.queries import OrderNotFound
from orders.services.saga_store import lease
from shop import transactions
from shop.errors import Refusal


class NotPayable(Refusal):
    """The order does not wait for a payment method."""

    code = "order_not_payable"
    title = "This order does not wait for a payment method"
    fact_types = {"order_id": uuid.UUID, "status": str}


def provide_payment_method(*, order_id: uuid.UUID, payment_method: str, instead_of: str = "") -> None:
    """Give an unpaid order the provider's token to pay with; giving it again changes nothing.

    `instead_of`: the one that payments has seen declined, or that waits for its customer. Only that one is replaced, so of
    several who bring another card at once one is heard, and the order is never two cards ahead of its payment.
    Raises: OrderNotFound, NotPayable.
    """
    with transactions.transaction("orders"):
        order = Order.objects.select_for_update().filter(pk=order_id).first()
        if order is None:
            raise OrderNotFound(order_id=str(order_id))
        if order.payment_method == payment_method:
            return
        if order.status not in PAYABLE:
            raise NotPayable(order_id=str(order_id), status=order.status)
        if order.payment_method not in ("", instead_of):
            raise NotPayable(
                "This order is being paid with another payment method already",
                order_id=str(order_id),
                status=order.status,
            )
        seen = {"status": order.status, "payment_method": order.payment_method}
        Order.objects.filter(pk=order_id, **seen).update(payment_method=payment_method)
        Saga.objects.filter(order_id=order_id, name="checkout", finished_at=None).update(due_at=Now() + lease())
