"""`python -m local.stripe`: run the sandbox as a process of its own."""

from __future__ import annotations

import argparse
import os

from local.stripe.server import ACCOUNT_KEY, serve_forever
from local.stripe.webhooks import SIGNER


def main() -> None:
    """Read the command line and serve. Secrets can come from the environment instead."""
    parser = argparse.ArgumentParser(prog="python -m local.stripe", description="A local stand-in for Stripe.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=12111)
    parser.add_argument("--database", default=":memory:", help="a file that survives restarts")
    parser.add_argument("--secret-key", default=os.environ.get("STRIPE_API_KEY") or ACCOUNT_KEY)
    parser.add_argument("--webhook-url", default=None)
    parser.add_argument("--webhook-secret", default=os.environ.get("STRIPE_WEBHOOK_SECRET") or SIGNER)
    parser.add_argument("--webhook-events", default="*", help="which events the endpoint gets, comma-separated")
    chosen = parser.parse_args()
    serve_forever(
        host=chosen.host,
        port=chosen.port,
        database=chosen.database,
        secret_key=chosen.secret_key,
        webhook_url=chosen.webhook_url,
        webhook_secret=chosen.webhook_secret,
        webhook_events=chosen.webhook_events.split(","),
    )


if __name__ == "__main__":
    main()
