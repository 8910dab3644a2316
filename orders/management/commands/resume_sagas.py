"""`manage.py resume_sagas`: walk every order whose saga is due, or one order at once."""

from __future__ import annotations

import uuid
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from orders import services
from orders.queries import OrderNotFound
from orders.sagas.entry import resume, resume_due
from shop.story.timeline import order_named


class Command(BaseCommand):
    """Resume sagas."""

    help = "Walk every order whose saga is due; with --order one order, at once, parked or not."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--order", metavar="ORDER", help="this order only, by its number or its id")
        parser.add_argument("--limit", type=int, default=1000, help="at most this many (default: 1000)")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["order"]:
            order_id = order_named(options["order"]) or uuid.UUID(int=0)
            try:
                services.resume_saga_now(order_id=order_id)
                order = resume(order_id=order_id)
            except OrderNotFound:
                raise CommandError(f"there is no order {options['order']}") from None
            self.stdout.write(f"order {order_id} is {order.status}")
            return
        walked = 0
        while walked < options["limit"] and (count := resume_due(limit=min(50, options["limit"] - walked))):
            walked += count
            self.stdout.write(f"{walked} orders walked")
        if not walked:
            self.stdout.write("no saga is due")
