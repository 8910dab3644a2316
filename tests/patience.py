"""What a slow machine must not decide: limits of the product in time, so far away that no test meets one by chance.

Those that are settings are in config/settings/test.py. A test that is about a limit sets it with `monkeypatch`.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

from inventory.services import expiry
from shop import coalescing
from shop.events import broker
from shop.management.commands import audit
from shop.observability import folding, metrics, tracing
from shop.rest import health
from shop.work import background, handover, turn

PATIENT_SECONDS = 60.0
# As it is deployed, for what must agree with it.
DEPLOYED_READY_LIMIT_SECONDS = health.READY_LIMIT_SECONDS


def extend() -> None:
    """Move the limits of this process away."""
    settings.register_profile("patient", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("patient")
    background.FINISH_SECONDS = PATIENT_SECONDS
    broker.CONFIRM_TIMEOUT_SECONDS = int(PATIENT_SECONDS)
    audit.SILENT_SECONDS = PATIENT_SECONDS
    coalescing.SLOW_SECONDS = PATIENT_SECONDS
    coalescing.STUCK_SECONDS = 2 * PATIENT_SECONDS
    coalescing.STOP_SECONDS = PATIENT_SECONDS
    expiry.SWEEP_SECONDS = PATIENT_SECONDS
    folding.WAIT_SECONDS = PATIENT_SECONDS
    handover.BEGIN_WITHIN_SECONDS = PATIENT_SECONDS
    health.READY_LIMIT_SECONDS = PATIENT_SECONDS
    metrics.ONE_OF_SEVERAL_SECONDS = PATIENT_SECONDS
    metrics.SCRAPE_LIMIT_SECONDS = 2 * PATIENT_SECONDS
    metrics.STATEMENT_TIMEOUT_MILLISECONDS = int(1000 * PATIENT_SECONDS)
    tracing.SLOW_SECONDS = PATIENT_SECONDS
    turn.TURN_SECONDS = PATIENT_SECONDS
