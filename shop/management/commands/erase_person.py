"""`manage.py erase_person --email ADDRESS | --user ID`: shows what would be erased; with `--yes`, erases it."""

from __future__ import annotations

import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from shop.management.persons import add_person_arguments, person_meant
from shop.models import Erasure
from shop.personal import erasure
from shop.personal.keepers import Person


class Command(BaseCommand):
    """Erase a person, or show what that would do."""

    help = (
        "Show what is kept of a person and what an erasure would do; with --yes, erase it. This cannot be undone. Orders under"
        " way keep what they need until they end; the sweep goes on then. Safe to run again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_person_arguments(parser)
        parser.add_argument("--yes", action="store_true", help="erase; without it nothing is changed")

    def handle(self, *args: Any, **options: Any) -> None:
        person = person_meant(options)
        if not options["yes"]:
            self._show(person)
            return
        try:
            erasure_id = erasure.ask(person, asked_by=getpass.getuser())
        except erasure.PersonUnknown as refusal:
            raise CommandError("nothing is stored about this person") from refusal
        erasure.carry_out(erasure_id)
        self._report(Erasure.objects.get(pk=erasure_id))

    def _show(self, person: Person) -> None:
        seen = erasure.preview(person)
        if not any(seen.records.values()):
            raise CommandError("nothing is stored about this person")
        for context, count in seen.records.items():
            self.stdout.write(f"{context:<14} {count} records")
        free = seen.orders - len(seen.waiting)
        self.stdout.write(
            f"would be erased now: the account, its sessions and answers, and {free} orders' personal data"
        )
        for order_id, reason in seen.waiting.items():
            self.stdout.write(f"would wait: order {order_id}: {reason}")
        self.stdout.write("nothing was changed; --yes erases")

    def _report(self, asked: Erasure) -> None:
        if asked.finished_at is not None:
            self.stdout.write(f"erased; nothing is left (erasure {asked.pk})")
            return
        self.stdout.write(
            f"erased what may go now (erasure {asked.pk}); the sweep looks again at {asked.due_at:%F %T} UTC"
        )
        for reason in asked.waiting_for:
            self.stdout.write(f"waits for order {reason}")
