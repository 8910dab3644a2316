"""manage.py reconcile_payments: bring our payments to the provider's list, and say what differed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from payments import services
from shop.clock import now
from shop.errors import Fault


class Command(BaseCommand):
    """Reconcile by list; exits 1 where something is left for a human or the provider can't be reached."""

    help = "Compare the provider's intents, refunds and disputes with our payments, and repair what differs."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--hours", type=float, default=72.0, help="how many hours to look back (default: 72)")

    def handle(self, *args: Any, hours: float, **options: Any) -> None:
        try:
            report = services.reconcile_payments(since=now() - timedelta(hours=hours))
        except Fault as error:
            raise CommandError(f"the provider could not be asked: {error}") from error
        self.stdout.write(
            f"{report.intents} intents, {report.refunds} refunds and {report.disputes} disputes "
            f"since {report.since:%Y-%m-%d %H:%M} UTC"
        )
        for line in report.repaired:
            self.stdout.write(f"repaired  {line}")
        for intent_id in report.strays:
            self.stdout.write(f"stray     {intent_id}: is being canceled or refunded")
        for difference in report.unresolved:
            self.stdout.write(f"DIFFERS   {difference.order_id} {difference.intent_id}: {difference.detail}")
        if report.unresolved:
            raise CommandError(f"{len(report.unresolved)} differences need a human")
