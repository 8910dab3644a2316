"""`python -m tests.load.article.seed`: make the article's tables, stock its shelves, sign its customers in."""

from __future__ import annotations

import os

from tests.load import people


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.load.article.settings")
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    call_command("migrate", run_syncdb=True, verbosity=0)  # its own tables, which refer to the users'
    from tests.load.article.models import Product, Stock

    for sku in people.skus():
        product = Product.objects.create(sku=sku, name=f"The {sku.lower()}", price_minor=1250, currency="EUR")
        Stock.objects.create(product=product, available=people.PLENTY)
    people.tell(people.sign_in_customers(_users))


def _users(count: int):
    from django.contrib.auth.models import User

    first = User.objects.create_user("customer-0", "customer-0@shop.example", "correct horse battery")
    rest = [User(username=f"customer-{number}", password=first.password) for number in range(1, count)]
    return [first, *User.objects.bulk_create(rest)]


if __name__ == "__main__":
    main()
