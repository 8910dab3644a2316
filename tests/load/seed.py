"""`python -m tests.load.seed`: migrate the shop's database, stock its shelves, sign its customers in."""

from __future__ import annotations

import os

from tests.load import people


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.load.settings")
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate_all", verbosity=0)
    from inventory import api as inventory
    from shop.money import Money

    for sku in people.skus():
        inventory.add_product(sku=sku, name=f"The {sku.lower()}", price=Money(1250, "EUR"))
        inventory.receive_stock(sku=sku, quantity=people.PLENTY, reference="bench")
    people.tell(people.sign_in_customers(_users))


def _users(count: int):
    from shop.models import User

    first = User.objects.create_user("customer-0@shop.example", "correct horse battery")
    rest = [User(email=f"customer-{number}@shop.example", password=first.password) for number in range(1, count)]
    return [first, *User.objects.bulk_create(rest)]


if __name__ == "__main__":
    main()
