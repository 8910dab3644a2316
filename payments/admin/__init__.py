"""Payments' pages of the admin."""

from payments.admin import books, disputes, payments
from payments.queries import payment_figures
from shop.admin import register_tile

__all__ = ["books", "disputes", "payments"]

register_tile("payments", "Payments", payment_figures)
