"""`manage.py relay_outbox`: publish what waits in the outboxes, once or for as long as it runs."""

from __future__ import annotations

import getpass
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import InterfaceError, OperationalError, close_old_connections

from shop.events import outbox, quarantine, relay
from shop.events.port import TransportUnavailable


class Command(BaseCommand):
    """Run the relay."""

    help = "Publish the waiting outbox rows, once, and print how many. Safe to run beside any number of relays."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--forever", action="store_true", help="keep publishing: again 20 ms after work, up to 1 s when idle"
        )
        parser.add_argument(
            "--release-quarantined", action="store_true", help="first take back what the broker refused for good"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["release_quarantined"]:
            self._release()
        if not options["forever"]:
            try:
                self.stdout.write(f"{relay.drain_all()} events published")
            except TransportUnavailable as error:
                raise CommandError(f"the broker is away, nothing is lost: {error}") from error
            return
        pause = 0.02
        while True:
            close_old_connections()
            try:
                pause = 0.02 if relay.drain_all() else min(1.0, pause * 2)
            except TransportUnavailable as error:
                self.stderr.write(f"the broker is away, trying again: {error}")
                pause = 1.0
            except (OperationalError, InterfaceError) as error:
                self.stderr.write(f"the database is away, trying again: {error}")
                pause = 1.0
            time.sleep(pause)

    def _release(self) -> None:
        staff = getpass.getuser()
        contexts = outbox.publishing_contexts()
        released = sum(quarantine.release_quarantined(context, staff=staff) for context in contexts)
        self.stdout.write(f"{released} events released from quarantine")
