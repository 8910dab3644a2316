"""`python -m tests.load.oscar.placing migrate|place`: run by the Python of django-oscar's virtual environment.

`place` fills baskets of three lines first, then times nothing but OrderCreator.place_order, in threads; prints JSON.
"""

import json
import os
import random
import sys
import threading
import time
from decimal import Decimal
from uuid import uuid4

PRODUCTS = 200
LINES = 3
THREADS = 4
BASKETS = 25


def main():
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.load.oscar.settings")
    import django
    from django.core.management import call_command

    django.setup()
    if sys.argv[1] == "migrate":
        call_command("migrate", verbosity=0)
        _stock()
    else:
        sys.stdout.write(json.dumps(_place()))


def _stock():
    from oscar.core.loading import get_model

    kind = get_model("catalogue", "ProductClass").objects.create(name="Thing", track_stock=True, requires_shipping=True)
    partner = get_model("partner", "Partner").objects.create(name="Bench")
    get_model("address", "Country").objects.create(
        iso_3166_1_a2="PT", printable_name="Portugal", is_shipping_country=True
    )
    for number in range(PRODUCTS):
        product = get_model("catalogue", "Product").objects.create(
            structure="standalone", title=f"SPREAD-{number}", product_class=kind, is_public=True
        )
        get_model("partner", "StockRecord").objects.create(
            product=product, partner=partner, partner_sku=f"SPREAD-{number}", price_currency="EUR",
            price=Decimal("12.50"), num_in_stock=1_000_000,
        )  # fmt: skip


def _basket(user, products):
    from oscar.apps.partner.strategy import Default
    from oscar.core.loading import get_model

    basket = get_model("basket", "Basket").objects.create(owner=user)
    basket.strategy = Default()
    for product in random.sample(products, LINES):
        basket.add_product(product, 1)
    return basket


def _place_one(basket, user, country):
    from oscar.apps.checkout.calculators import OrderTotalCalculator
    from oscar.apps.order.utils import OrderCreator
    from oscar.apps.shipping.methods import Free
    from oscar.core.loading import get_model

    method = Free()
    charge = method.calculate(basket)
    address = get_model("order", "ShippingAddress").objects.create(
        first_name="Ada",
        last_name="Example",
        line1="1 Harbor Street",
        line4="Lisbon",
        postcode="1100-001",
        country=country,
    )
    order = OrderCreator().place_order(
        basket=basket,
        total=OrderTotalCalculator().calculate(basket, charge),
        shipping_method=method,
        shipping_charge=charge,
        user=user,
        shipping_address=address,
        order_number=uuid4().hex,
    )
    basket.submit()
    return order


def _place():
    from django.contrib.auth.models import User
    from django.db import connection, connections
    from django.test.utils import CaptureQueriesContext
    from oscar.core.loading import get_model

    country = get_model("address", "Country").objects.get()
    products = list(get_model("catalogue", "Product").objects.all())
    users = [User.objects.create_user(f"customer-{uuid4().hex}") for _ in range(THREADS)]
    baskets = [[_basket(user, products) for _each in range(BASKETS)] for user in users]
    with CaptureQueriesContext(connection) as captured:
        _place_one(baskets[0].pop(), users[0], country)
    start = threading.Barrier(THREADS + 1)

    def work(user, mine):
        connections["default"].ensure_connection()
        start.wait()
        for basket in mine:
            _place_one(basket, user, country)
        connections.close_all()

    threads = [threading.Thread(target=work, args=pair) for pair in zip(users, baskets, strict=True)]
    for thread in threads:
        thread.start()
    start.wait()
    began = time.monotonic()
    for thread in threads:
        thread.join()
    placed = sum(map(len, baskets))
    return {"placed": placed, "seconds": time.monotonic() - began, "statements": len(captured)}


if __name__ == "__main__":
    main()
