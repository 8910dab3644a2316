"""The article's use cases: reserve under a row lock, charge, confirm."""

from django.db import transaction

from tests.load.article import payment
from tests.load.article.models import Order, OrderLine, Payment, Product, Stock


class InsufficientStock(Exception):
    """There is less than was asked for."""


def reserve_stock(*, lines):
    """Take the quantities of (sku, quantity) from the shelf, each row locked, in the order of their SKUs."""
    for sku, quantity in sorted(lines):
        stock = Stock.objects.select_for_update().get(product__sku=sku)
        if stock.available < quantity:
            raise InsufficientStock(sku)
        stock.available -= quantity
        stock.reserved += quantity
        stock.save(update_fields=["available", "reserved"])


def place_order(*, customer, lines, shipping_address, payment_method):
    """Record the order with its stock, charge the card outside of the transaction, confirm."""
    products = {product.sku: product for product in Product.objects.filter(sku__in=[sku for sku, _ in lines])}
    with transaction.atomic():
        reserve_stock(lines=lines)
        order = Order.objects.create(
            customer=customer,
            total_minor=sum(products[sku].price_minor * quantity for sku, quantity in lines),
            currency=products[lines[0][0]].currency,
            shipping_address=shipping_address,
        )
        OrderLine.objects.bulk_create(
            OrderLine(order=order, product=products[sku], quantity=quantity, unit_price_minor=products[sku].price_minor)
            for sku, quantity in lines
        )
        paid = Payment.objects.create(order=order, amount_minor=order.total_minor)
    try:
        paid.intent_id = payment.authorize(order=order, payment_method=payment_method)
        payment.capture(order=order, intent_id=paid.intent_id)
    except payment.CardDeclined:
        _cancel(order, paid, lines)
        raise
    with transaction.atomic():
        paid.status = "CAPTURED"
        paid.save(update_fields=["status", "intent_id"])
        order.status = "CONFIRMED"
        order.save(update_fields=["status"])
    return order


def _cancel(order, paid, lines):
    with transaction.atomic():
        for sku, quantity in sorted(lines):
            stock = Stock.objects.select_for_update().get(product__sku=sku)
            stock.available += quantity
            stock.reserved -= quantity
            stock.save(update_fields=["available", "reserved"])
        paid.status = "DECLINED"
        paid.save(update_fields=["status"])
        order.status = "CANCELED"
        order.save(update_fields=["status"])
