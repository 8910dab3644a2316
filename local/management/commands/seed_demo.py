"""`manage.py seed_demo`: products with stock, a shopper and a member of staff, for a shop on one's own machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from allauth.account.models import EmailAddress
from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from inventory import api as inventory
from local.demo import data as demo_data
from shop import transactions
from shop.money import Money

# Taxes of some countries of the EU, contained in the prices, and two of the United States, added to them; shipping by zone,
# weight and value; two codes.
PRICES = Path(demo_data.__file__).parent / "prices"


class Command(BaseCommand):
    """Seed the demo shop."""

    help = "Create the demo shop's products, stock and users; harmless to repeat."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the option."""
        parser.add_argument("--prices", action="store_true", help="also taxes, shipping rates and discount codes")

    def handle(self, *args: Any, **options: Any) -> None:
        if not getattr(settings, "DEMO_DATA_ALLOWED", False):
            raise CommandError("seed_demo makes users with known passwords: it runs with the development settings only")
        made = 0
        for product in demo_data.PRODUCTS:
            try:
                price = Money(product.price_minor, product.currency)
                inventory.add_product(sku=product.sku, name=product.name, price=price, details=_details(product))
            except inventory.SkuTaken:
                _fill_in(product)
                continue
            if product.stock:
                inventory.receive_stock(sku=product.sku, quantity=product.stock, reference="demo")
            made += 1
        if options["prices"]:
            _seed_prices()
        users: Any = get_user_model().objects
        for who, create in ((demo_data.SHOPPER, users.create_user), (demo_data.STAFF, users.create_superuser)):
            user = users.filter(email=who.email).first() or create(who.email, who.password)
            # Where addresses must be verified, nobody could sign in: no mail reaches them.
            EmailAddress.objects.update_or_create(
                user=user, email=who.email, defaults={"verified": True, "primary": True}
            )
        if options["verbosity"]:
            self.stdout.write(f"{made} products made; {len(demo_data.PRODUCTS) - made} were there")
            self.stdout.write(f"shopper {demo_data.SHOPPER.email} / {demo_data.SHOPPER.password}")
            self.stdout.write(f"staff   {demo_data.STAFF.email} / {demo_data.STAFF.password}")


def _seed_prices() -> None:
    """Give a shop that has none the rules of prices/; one that has any keeps its own."""
    fixtures = sorted(PRICES.glob("*.json"))
    models = {apps.get_model(row["model"]) for fixture in fixtures for row in json.loads(fixture.read_text())}
    if any(model._default_manager.exists() for model in models):
        return
    # One transaction for each context.
    for fixture in fixtures:
        call_command("loaddata", str(fixture), database=transactions.alias_for(fixture.stem), verbosity=0)


def _fill_in(product: demo_data.DemoProduct) -> None:
    """Give a product of a demo shop that an earlier release made what is told of it; name and price stay as they are."""
    try:
        offer = inventory.get_offers(skus=[product.sku])[product.sku]
    except inventory.UnknownProduct:
        return
    if not offer.category:
        inventory.change_product(
            sku=offer.sku, name=offer.name, price=offer.price, active=True, details=_details(product)
        )


def _details(product: demo_data.DemoProduct) -> inventory.Details:
    return inventory.Details(
        description=product.description,
        images=(inventory.Image(f"{demo_data.PICTURES}/{product.picture}", product.alt),),
        category=product.category,
        group=product.group,
        options=product.options,
        weight_grams=product.weight_grams,
        tax_class=product.tax_class,
    )
