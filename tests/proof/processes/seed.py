"""`python -m tests.proof.processes.seed N`: products and N customers for the shop under chaos, on its own database.

Prints one JSON object: each customer's id and session token.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Final

# SKU, stock. The last one runs short: its orders are refused when it is out, and freed stock is sold again.
SKUS: Final = (("MUG", 1_000_000), ("TEAPOT", 1_000_000), ("LAMP", 1_000_000), ("POSTER", 40))


def main() -> None:
    """Fill an empty shop."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.development")
    import django

    django.setup()

    from inventory import api as inventory
    from shop.money import Money
    from tests.driver.factories import UserFactory
    from tests.driver.tokens import token_of

    for sku, stock in SKUS:
        inventory.add_product(sku=sku, name=f"The {sku.lower()}", price=Money(1250, "EUR"))
        inventory.receive_stock(sku=sku, quantity=stock, reference="delivery 1")
    users = UserFactory.create_batch(int(sys.argv[1]))
    sys.stdout.write(json.dumps({str(user.pk): token_of(user) for user in users}))


if __name__ == "__main__":
    main()
