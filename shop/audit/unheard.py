"""What the audit asks of each fact that was published a while ago: that its subscribers heard it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from shop.audit import Check, Violation, note_rows, register_check
from shop.events.outbox import publishing_contexts
from shop.events.unheard import Unheard, is_published, look_through, subscribed_since, unheard_among


def register_unheard_checks() -> None:
    """Have every audit check that what was published a while ago was heard."""
    for context in publishing_contexts():
        register_check(Check("I8", context, "every published fact was heard by its subscribers", _check(context)))


def _check(context: str) -> Any:
    def run() -> Iterator[Violation]:
        since = subscribed_since()
        for found in look_through(context, since, note_rows=note_rows):
            # Read again: it may have been heard, or published again, since the page was read.
            for still in unheard_among([found.fact], since) if is_published(found.fact) else ():
                yield _violation(still)

    return run


def _violation(found: Unheard) -> Violation:
    fact = found.fact
    about = f" of order {fact.order}" if fact.order else ""
    detail = (
        f"published at {fact.published_at:%F %T} UTC and not heard by {', '.join(found.subscribers)}"
        f" (manage.py publish_again --event {fact.event_id})"
    )
    return Violation("I8", f"{fact.type} {fact.event_id}{about}", detail)
