"""The customer's bank, which disputes and decides, and the provider's webhooks about it."""

from __future__ import annotations

import pytest

from payments import tasks
from tests.integration.payments.disputes.disputing import ALL


@pytest.fixture
def dispute(sandbox, captured, order_id):
    """Return a function that has the customer's bank dispute the captured payment, without a word to us."""

    def run(**asked):
        return sandbox.control("POST", f"payment_intents/{captured.intent_id}/dispute", asked)["id"]

    return run


@pytest.fixture
def hear(sandbox, post_webhook):
    """Return a function that delivers the provider's webhooks of disputes and applies them."""

    def run(*which, times=1):
        for event in sandbox.events(*(f"charge.dispute.{each}" for each in which or ALL)):
            for _time in range(times):
                assert post_webhook(event).json() == {"received": True, "kept": True}
        tasks.apply_webhooks()

    return run


@pytest.fixture
def decide(sandbox):
    def run(dispute_id, outcome):
        sandbox.control("POST", f"disputes/{dispute_id}/settle", {"outcome": outcome})

    return run
