"""Who and what the demo shop has: known passwords, so only ever in the development settings."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DemoUser:
    """Somebody who can sign in to a demo shop."""

    email: str
    password: str


@dataclass(frozen=True)
class DemoProduct:
    """Something to sell."""

    sku: str
    name: str
    price_minor: int
    currency: str
    stock: int


SHOPPER = DemoUser("shopper@shop.example", "demo-shopper-pass")
STAFF = DemoUser("staff@shop.example", "demo-staff-pass")

PRODUCTS = (
    DemoProduct("MUG-BLUE", "Blue mug", 1250, "EUR", 500),
    DemoProduct("TEE-M", "T-shirt, size M", 2400, "EUR", 500),
    DemoProduct("LAMP-OAK", "Oak desk lamp", 8900, "EUR", 40),
    DemoProduct("POSTER-LAST", "Signed poster, last one", 15000, "EUR", 1),
    DemoProduct("NOTEBOOK-US", "Notebook, ruled", 1499, "USD", 200),
    DemoProduct("TEAPOT-JP", "Cast-iron teapot", 7800, "JPY", 30),
)
