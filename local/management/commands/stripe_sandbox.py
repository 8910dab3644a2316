"""manage.py stripe_sandbox: run the Stripe sandbox in the foreground, for a shop without a Stripe account."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from local.stripe.server import serve_forever
from payments.gateways.stripe.words import NOTICES


class Command(BaseCommand):
    """Serve until Ctrl-C; what the sandbox knows is kept in --database."""

    help = "Runs a stateful stand-in for Stripe's API, with signed webhooks and faults to order."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        database = Path(settings.BASE_DIR) / "var" / "stripe-sandbox.sqlite3"
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=12111)
        parser.add_argument("--database", default=str(database), help='a file, or ":memory:"')
        parser.add_argument("--webhook-url", default="http://127.0.0.1:8000/webhooks/stripe", help='"" sends none')

    def handle(self, *args: Any, host: str, port: int, database: str, webhook_url: str, **options: Any) -> None:
        serve_forever(
            host=host,
            port=port,
            database=database,
            secret_key=settings.STRIPE_API_KEY,
            webhook_url=webhook_url or None,
            webhook_secret=settings.STRIPE_WEBHOOK_SECRETS[0],
            webhook_events=sorted(NOTICES),
        )
