"""`manage.py export_person --email ADDRESS | --user ID`: everything that is kept of a person, as JSON."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from shop.management.persons import add_person_arguments, person_meant
from shop.personal import accounts
from shop.personal.export import export_person
from shop.personal.keepers import find_orders


class Command(BaseCommand):
    """Print the export."""

    help = (
        "Print everything that is kept of a person as JSON. Make sure who asks: it is for this person only. Orders that other"
        " accounts sent to the address are in it: screen them first."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_person_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        person = person_meant(options)
        found = find_orders(person)
        if not accounts.is_known(person) and not found:
            raise CommandError("nothing is stored about this person")
        others = [str(each.order_id) for each in found if each.customer_id not in person.customer_ids]
        if others:
            orders = "1 order" if len(others) == 1 else f"{len(others)} orders"
            self.stderr.write(
                f"screen the export before you hand it out: it holds {orders} of another account, sent to this person's"
                f" address, with what that account entered: {', '.join(others)}"
            )
        self.stdout.write(json.dumps(export_person(person), indent=2, sort_keys=True, ensure_ascii=False, default=str))
