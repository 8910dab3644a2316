"""The sweep of orders."""

from __future__ import annotations

from orders.sagas.entry import DUE, resume_due
from shop.work.sweeps import sweep


@sweep(every_seconds=2, at_once=6, due=DUE.rows.due)
def resume_sagas() -> int:
    """Walk every order whose saga is due: what a dead process left, a backoff that has passed, a deadline."""
    return resume_due()
