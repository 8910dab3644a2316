"""What stops the start of a real shop: a required variable that is missing, or a value out of bounds, by name."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from inventory.audit import LONGEST_HOLD

ROOT = Path(__file__).resolve().parents[3]
ALWAYS = {
    "SECRET_KEY": "x" * 60,
    "ALLOWED_HOSTS": "shop.example",
    "DATABASE_URL": "postgresql://shop:x@127.0.0.1:1/shop",
    "BROKER_URL": "amqp://127.0.0.1:1//",
    "INSTALLATION_NAME": "shop",
    "EMAIL_URL": "dummymail://",
}
WITH_STRIPE = {"STRIPE_API_KEY": "sk_test_x", "STRIPE_WEBHOOK_SECRETS": "whsec_x"}
STRIPE = "payments.gateways.stripe.adapter.provider"


def refusal(environment: dict[str, str]) -> str:
    """Read production's settings in a process with this environment; return why it refused, "" where it did not."""
    read = subprocess.run(
        [sys.executable, "-c", "import config.settings.production"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert (read.returncode == 0) == (not read.stderr), read.stderr
    return read.stderr.splitlines()[-1] if read.stderr else ""


@pytest.mark.parametrize("provider", [{}, {"PAYMENT_PROVIDER": STRIPE}])
def test_with_stripe_its_key_and_secret_are_required(provider: dict[str, str]):
    assert refusal(ALWAYS | provider).endswith("then start again: STRIPE_API_KEY, STRIPE_WEBHOOK_SECRETS")
    assert refusal(ALWAYS | provider | WITH_STRIPE) == ""


def test_another_provider_needs_nothing_of_stripe():
    assert refusal(ALWAYS | {"PAYMENT_PROVIDER": "payments.gateways.acme.adapter.provider"}) == ""


def test_each_other_variable_is_required_whoever_the_provider_is():
    other = {"PAYMENT_PROVIDER": "payments.gateways.acme.adapter.provider"}

    assert refusal(other).endswith(f"then start again: {', '.join(ALWAYS)}")


@pytest.mark.parametrize("seconds", ["0", "86401"])
def test_a_hold_of_stock_that_the_audit_would_name_stops_the_start(seconds: str):
    told = refusal(ALWAYS | WITH_STRIPE | {"RESERVATION_TTL_SECONDS": seconds})

    assert told.endswith(f"RESERVATION_TTL_SECONDS must be from 1 to 86400 (a day), not {seconds}.")


@pytest.mark.parametrize("seconds", ["-1", "86401"])
def test_an_extension_that_the_audit_would_name_stops_the_start(seconds: str):
    told = refusal(ALWAYS | WITH_STRIPE | {"HOLD_EXTENSION_SECONDS": seconds})

    assert told.endswith(f"HOLD_EXTENSION_SECONDS must be from 0 to 86400 (a day), not {seconds}.")


def test_the_longest_hold_that_starts_is_the_longest_that_the_audit_bears():
    assert timedelta(seconds=86_400) == LONGEST_HOLD
    assert refusal(ALWAYS | WITH_STRIPE | {"RESERVATION_TTL_SECONDS": "86400"}) == ""
