"""The bench's subscribers as the processes under test have them; the event's count says what becomes of the handler."""

import os
import signal

from django.db import connections

from shop import transactions
from tests.integration.events import bench

# Counts of an event that mean something to the handler.
GATED, DEADLY = 1001, 1002
GATE = 4711
WRITE_DOWN, STRIKE = "notifications.write_down", "shipping.strike"


def write_down(event: bench.Rung) -> None:
    """Apply the event; on the way wait at the gate, or die, where it says so."""
    bench.apply(event, WRITE_DOWN)
    if event.count == GATED:
        with connections[transactions.require("notifications")].cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [GATE])
    if event.count == DEADLY:
        os.kill(os.getpid(), signal.SIGKILL)


def strike(event: bench.Rung) -> None:
    """Hear in another context."""


def install() -> None:
    """Register events and subscribers."""
    bench.install()
    bench.hear(write_down, name="write_down")
    bench.hear(strike, name="strike", context="shipping", event=bench.Struck)
