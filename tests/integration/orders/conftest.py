"""A shop with mugs, customers who speak HTTP, a running Stripe sandbox; after each test the audit must be clean."""

from __future__ import annotations

from tests.driver.provider import post_webhook, sandbox
from tests.driver.shop import mug, order_in, settle, shop_at_rest, shopper, staff

__all__ = ["mug", "order_in", "post_webhook", "sandbox", "settle", "shop_at_rest", "shopper", "staff"]
