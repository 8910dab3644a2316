"""The article's tables: stock beside its product, an order with its lines and its payment."""

import uuid
from typing import ClassVar, Self

from django.conf import settings
from django.db import models


class _Row(models.Model):
    objects: ClassVar[models.Manager[Self]]

    class Meta:
        abstract = True


class Product(_Row):
    sku = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=200)
    price_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)


class Stock(_Row):
    product = models.OneToOneField(Product, on_delete=models.PROTECT, related_name="stock")
    available = models.PositiveBigIntegerField()
    reserved = models.PositiveBigIntegerField(default=0)


class Order(_Row):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    customer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    status = models.CharField(max_length=16, default="PENDING")
    total_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    shipping_address = models.JSONField()
    placed_at = models.DateTimeField(auto_now_add=True)


class OrderLine(_Row):
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, on_delete=models.PROTECT)
    quantity = models.PositiveIntegerField()
    unit_price_minor = models.BigIntegerField()


class Payment(_Row):
    order = models.OneToOneField(Order, on_delete=models.PROTECT, related_name="payment")
    intent_id = models.CharField(max_length=64, blank=True)
    status = models.CharField(max_length=16, default="NEW")
    amount_minor = models.BigIntegerField()


class Reservation(_Row):
    """What the article keeps of a reservation that is made on its own, without an order around it."""

    order_id = models.UUIDField(unique=True)
    sku = models.CharField(max_length=64)
    quantity = models.PositiveIntegerField()
