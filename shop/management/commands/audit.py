"""`manage.py audit`: check every promise against what is stored, name each violation, exit 1 if there is one."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from shop.audit import checks


class Command(BaseCommand):
    """Run the audit."""

    help = "Check the promises I1 to I11 against the stored state; exit 1 and name each violation if one is broken."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--only", metavar="I4", nargs="+", help="check these promises only")

    def handle(self, *args: Any, **options: Any) -> None:
        wanted = [check for check in checks() if not options["only"] or check.promise in options["only"]]
        if not wanted:
            raise CommandError(f"no check for {', '.join(options['only'])}; the promises are I1 to I11")
        broken = 0
        for check in wanted:
            found = list(check.run())
            broken += len(found)
            verdict = self.style.SUCCESS("holds") if not found else self.style.ERROR(f"{len(found)} broken")
            self.stdout.write(f"{check.promise:<4} {check.context:<14} {check.title:<58} {verdict}")
            for violation in found:
                self.stdout.write(self.style.ERROR(f"     {violation.subject}: {violation.detail}"))
        if broken:
            raise CommandError(f"{broken} violations; `manage.py explain_order ID` tells an order's whole story")
        self.stdout.write(self.style.SUCCESS(f"{len(wanted)} checks, 0 violations"))
