"""What the provider lists, paired with our payments: of these only the columns that are compared, since the list is long."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import NamedTuple

from payments.gateways import IntentSnapshot
from payments.models import Payment
from shop.statements import Statement

BATCH = 1000
# The provider's clock and ours may differ by this much.
CLOCK_SKEW = timedelta(minutes=5)
_BOOKED = Statement("payments", "find_booked")


class Booked(NamedTuple):
    """A payment as our book has it. `is_asked_about`: its outcome is open, and somebody is going to ask the provider."""

    intent_id: str
    status: str
    currency: str
    captured_minor: int
    refunded_minor: int
    created_at: datetime
    is_asked_about: bool


def match_booked(intents: Iterable[IntentSnapshot]) -> Iterator[tuple[IntentSnapshot, Booked | None]]:
    """Pair listed intents with our payments, a batch at a time."""
    listed = iter(intents)
    while batch := list(islice(listed, BATCH)):
        ours = {row[0]: row for row in _BOOKED.run(intent_ids=[intent.intent_id for intent in batch])}
        for intent in batch:
            row = ours.get(intent.intent_id)
            yield intent, None if row is None else Booked(*row)


def is_ours(intent_id: str) -> bool:
    """Return whether a payment of ours goes by this intent."""
    return bool(intent_id) and Payment.objects.filter(intent_id=intent_id).exists()


def find_booked(*, intent_id: str) -> Booked | None:
    """Return our payment by an intent, None where there is none."""
    row = _BOOKED.one(intent_ids=[intent_id])
    return None if row is None else Booked(*row)
