"""The provider as a process of its own, so that the tests' process forks without it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from payments.gateways.stripe import adapter as stripe_adapter
from tests.driver.provider import SECRET, Provider, close_provider_connection


@pytest.fixture(scope="session")
def sandbox_process() -> Iterator[str]:
    """Start the sandbox; give its address."""
    command = [sys.executable, "-m", "local.stripe", "--port", "0", "--secret-key", "sk_test_sandbox"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = process.stdout.readline()
        yield ready.split()[-1]
        process.terminate()


@pytest.fixture
def provider(sandbox_process: str, database: None, settings: Any) -> Iterator[Provider]:
    settings.STRIPE_API_BASE = sandbox_process
    settings.BREAKER_MINIMUM_CALLS = 1000
    settings.STRIPE_WEBHOOK_SECRETS = [SECRET]
    running = Provider(sandbox_process)
    yield running
    running.close()
    close_provider_connection()
    stripe_adapter.BREAKER.reset()
