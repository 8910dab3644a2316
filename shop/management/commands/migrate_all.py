"""`manage.py migrate_all`: migrate every configured database, the shared one first."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser


class Command(BaseCommand):
    """Migrate everything."""

    help = "Run `migrate` for every configured database."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="exit 1 if a migration is missing; change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        for alias in settings.DATABASES:
            if len(settings.DATABASES) > 1:
                self.stdout.write(f"database {alias}:")
            call_command(
                "migrate",
                database=alias,
                check_unapplied=options["check"],
                interactive=False,
                stdout=self.stdout,
                verbosity=options["verbosity"],
            )
