"""`manage.py release_expired_reservations`: expire every hold whose time is over, now."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from inventory import api


class Command(BaseCommand):
    """Expire holds until none is due."""

    help = "Expire every reservation that nobody began to pay for in time, and free its stock."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take a size for the batches."""
        parser.add_argument("--limit", type=int, default=500, help="how many to expire per round (default: 500)")

    def handle(self, *args: Any, limit: int, **options: Any) -> None:
        """Run the use case until it finds nothing."""
        expired, locked = 0, set[str]()
        while done := api.release_expired_reservations(limit=limit, locked=locked):
            expired += done
        self.stdout.write(f"{expired} reservations expired")
        if locked:
            self.stdout.write(
                f"left for later, since their stock is locked: reservations of {', '.join(sorted(locked))}"
            )
