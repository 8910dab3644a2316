"""The article's tables: stock beside its product, an order with its lines and its payment."""

import uuid

from django.conf import settings
from django.db import models


class Product(models.Model):
    sku = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=200)
    price_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)


class Stock(models.Model):
    product = models.OneToOneField(Product, on_delete=models.PROTECT, related_name="stock")
    available = models.PositiveBigIntegerField()
    reserved = models.PositiveBigIntegerField(default=0)


class Order(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    customer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    status = models.CharField(max_length=16, default="PENDING")
    total_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    shipping_address = models.JSONField()
    placed_at = models.DateTimeField(auto_now_add=True)


class OrderLine(models.Model):
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, on_delete=models.PROTECT)
    quantity = models.PositiveIntegerField()
    unit_price_minor = models.BigIntegerField()


class Payment(models.Model):
    order = models.OneToOneField(Order, on_delete=models.PROTECT, related_name="payment")
    intent_id = models.CharField(max_length=64, blank=True)
    status = models.CharField(max_length=16, default="NEW")
    amount_minor = models.BigIntegerField()


class Reservation(models.Model):
    """What the article keeps of a reservation that is made on its own, without an order around it."""

    order_id = models.UUIDField(unique=True)
    sku = models.CharField(max_length=64)
    quantity = models.PositiveIntegerField()
