"""A recorded release, put back: its database, and the provider with its books."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache

from orders.gateways import inventory_breaker
from payments.gateways.stripe import adapter as stripe_adapter
from tests import contract
from tests.driver.provider import SECRET, Provider, close_provider_connection
from tests.proof.upgrade.restoring import Serve


@pytest.fixture(autouse=True)
def kept_answers_are_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judge no answer by this release's description that an earlier one gave and kept."""
    monkeypatch.setattr(contract, "repeats_earlier_releases", True)


@pytest.fixture
def serve(database: None, settings: Any) -> Serve:
    """Return what serves the provider, as a process of its own, from a file of its books."""
    settings.BREAKER_MINIMUM_CALLS = 1000
    settings.STRIPE_WEBHOOK_SECRETS = [SECRET]
    settings.SANDBOX_CARRIER_TRANSIT_SECONDS = 3600.0

    @contextmanager
    def running(books: Path) -> Iterator[Provider]:
        command = [sys.executable, "-m", "local.stripe", "--port", "0", "--secret-key", "sk_test_sandbox"]
        with subprocess.Popen([*command, "--database", str(books)], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            settings.STRIPE_API_BASE = process.stdout.readline().split()[-1]
            for breaker in (inventory_breaker, stripe_adapter.BREAKER):
                breaker.reset()
            cache.clear()
            provider = Provider(settings.STRIPE_API_BASE)
            try:
                yield provider
            finally:
                provider.close()
                close_provider_connection()
                process.terminate()
        stripe_adapter.BREAKER.reset()

    return running
