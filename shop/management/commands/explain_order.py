"""`manage.py explain_order ORDER`: one order's whole story, and what happens next automatically or by staff."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from shop.story.timeline import lines_of, order_named, story_of


class Command(BaseCommand):
    """Print the story."""

    help = "Print one timeline of order, saga, stock, payment, messages and mails, and what happens next."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("order", help="the order's number, as its customer knows it, or its id")

    def handle(self, *args: Any, **options: Any) -> None:
        order_id = order_named(options["order"])
        story = None if order_id is None else story_of(order_id)
        if story is None or not story.happened:
            raise CommandError(f"nothing is known of an order {options['order']}")
        for line in lines_of(story):
            self.stdout.write(line)
