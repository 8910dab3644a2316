"""Who got an order is erased once its retention is over, also where nobody asks (docs/personal-data.md)."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta

from django.conf import settings

from shop.personal.keepers import AgedPage, books, erase_orders, waiting_among
from shop.work.turn import take_turn_in_sets

SWEEP = "shop.erase_aged_contacts"
_BEGINNING = uuid.UUID(int=0)


def erase_aged(*, seconds: float | None = None) -> int:
    """Take a turn at the contacts of orders past CONTACT_RETENTION_DAYS; return how many rows were changed.

    Along the ids, which rise with time, by an index of what is kept: the first page of younger orders is the end. An order
    that is under way is passed over and looked at by the next sweep.
    """
    kept = timedelta(days=settings.CONTACT_RETENTION_DAYS)
    if not kept:
        return 0
    return sum(
        take_turn_in_sets(sweep=SWEEP, context="shop", step=_steps(book.older, kept), seconds=seconds)
        for book in books()
    )


def _steps(older: Callable[[timedelta, uuid.UUID], AgedPage], kept: timedelta) -> Callable[[], int]:
    after: uuid.UUID | None = _BEGINNING

    def step() -> int:
        nonlocal after
        changed = 0
        while after is not None and not changed:
            page = older(kept, after)
            waiting = waiting_among(page.order_ids)
            changed = erase_orders([each for each in page.order_ids if each not in waiting], whole=True)
            after = page.last
        return changed

    return step
