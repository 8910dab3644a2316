"""`manage.py explain_order ID`: one order's whole story, and what happens next by itself."""

from __future__ import annotations

import uuid
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from shop.timeline import Story, story_of


class Command(BaseCommand):
    """Print the story."""

    help = "Print one timeline of order, saga, stock, payment, messages and mails, and what happens next by itself."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("order_id", help="the order's UUID")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            order_id = uuid.UUID(options["order_id"])
        except ValueError:
            raise CommandError(
                f"{options['order_id']!r} is not a UUID; the admin's list of orders shows the ids"
            ) from None
        story = story_of(order_id)
        if not story.happened:
            raise CommandError(f"nothing is known of an order {order_id}")
        for line in told(story):
            self.stdout.write(line)


def told(story: Story) -> list[str]:
    """Return the story as lines for a terminal."""
    first = story.happened[0].at
    lines = [f"{first:%Y-%m-%d %H:%M:%S} UTC"]
    for happening in story.happened:
        facts = ", ".join(f"{name} {value}" for name, value in happening.facts.items() if value not in ("", None))
        offset = (happening.at - first).total_seconds()
        lines.append(f"  +{offset:9.3f}s  {happening.context:<14} {happening.what}" + (f"  ({facts})" if facts else ""))
    if story.upcoming:
        lines.append("next, by itself:")
        for step in story.upcoming:
            when = f"{step.at:%H:%M:%S} UTC" if step.at else "when it comes"
            lines.append(f"  {when:<13}  {step.context:<14} {step.what}")
    else:
        lines.append("nothing is left to do")
    return lines
