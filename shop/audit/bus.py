"""What the audit asks of every outbox and inbox.

Nothing is on its way for too long, leased for longer than a lease lasts or dated in the future, and nothing was heard that
was never told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import cache, partial
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db.models import Model

from shop import audit, transactions
from shop.audit import SKEW, Check, Law, Violation, register_check, register_law
from shop.events.event import registry
from shop.events.inbox import DeliveryStatus, inbox_of
from shop.events.outbox import OutboxMessage, outbox_of, publishing_contexts
from shop.events.past import Kept, complete_since, history_of
from shop.events.unheard import remembered_since
from shop.ids import first_id_at

OVERDUE = timedelta(minutes=15)
# Longer than any claim of the relay, and than any wait for the next try of a delivery.
LONGEST_LEASE = timedelta(minutes=15)
# How much later than its publication a fact may have been heard, and its row in the outbox be gone before the inbox's.
HEARD_WITHIN = timedelta(days=1)
PAGE = 5000

OF_A_FACT = "type || ' ' || event_id || coalesce(' of order ' || (payload->>'order_id'), ' of ' || aggregate_id)"
OUTBOX_LAWS = (
    Law(
        "I8",
        "every fact is published or waits for a human",
        f"SELECT {OF_A_FACT}, format('told at %%s and not published, %%s attempts: %%s', occurred_at, attempts,"
        " right(last_error, 200)) FROM {table} WHERE published_at IS NULL AND quarantined_at IS NULL"
        " AND occurred_at BETWEEN %(since)s AND now() - %(overdue)s ORDER BY id",
    ),
    Law(
        "I10",
        "no fact is claimed for longer than a claim lasts",
        f"SELECT {OF_A_FACT}, format('claimed until %%s', claimed_until) FROM {{table}}"
        " WHERE published_at IS NULL AND claimed_until > now() + %(longest)s ORDER BY id",
    ),
    Law(
        "I8",
        "no fact is dated in the future, or published before it was told",
        f"SELECT {OF_A_FACT}, format('told at %%s, published at %%s', occurred_at, published_at) FROM {{table}}"
        f" WHERE greatest(occurred_at, published_at, quarantined_at) > now() + {SKEW}"
        f" OR occurred_at > published_at + {SKEW} ORDER BY id",
    ),
)
OF_A_DELIVERY = "format('delivery %%s at %%s', event_id, subscriber)"
INBOX_LAWS = (
    Law(
        "I8",
        "every event heard is applied or waits for a human",
        f"SELECT {OF_A_DELIVERY}, format('due since %%s, attempt %%s: nobody retries it',"
        "  to_char(due_at, 'YYYY-MM-DD HH24:MI:SS'), attempts) FROM {table}"
        " WHERE status = 'RETRYING' AND due_at < now() - %(overdue)s ORDER BY due_at",
    ),
    Law(
        "I8",
        "every delivery that failed is tried again, and with what it needs",
        f"SELECT {OF_A_DELIVERY}, format('%%s, due at %%s, %%s', status, due_at, CASE WHEN envelope IS NULL"
        "  THEN 'without its event' ELSE 'with its event' END) FROM {table}"
        # By status, in one go through few rows: all but a few are PROCESSED.
        " WHERE status <> 'PROCESSED' AND CASE status"
        "  WHEN 'RETRYING' THEN due_at IS NULL OR due_at > now() + %(longest)s OR envelope IS NULL"
        "  WHEN 'DEAD' THEN due_at IS NOT NULL OR envelope IS NULL"
        "  ELSE status <> ALL(%(statuses)s) OR due_at IS NOT NULL END ORDER BY id",
    ),
)


def register_bus_checks(context: str) -> None:
    """Have every audit look into the outbox of a context, and into its inbox where it hears anything."""
    values = {"overdue": OVERDUE, "longest": LONGEST_LEASE, "statuses": [str(status) for status in DeliveryStatus]}
    _register(context, outbox_of(context), OUTBOX_LAWS, values)
    if "inbox" in apps.get_app_config(context).models:
        _register(context, inbox_of(context), INBOX_LAWS, values)
        register_check(Check("I8", context, "every fact that was heard was told", _heard_and_never_told(context)))


def register_past_checks() -> None:
    """Have every audit check that no fact left an outbox before it was published: nobody has heard of such a one."""
    for context in publishing_contexts():
        register_check(Check("I8", context, "no fact left the outbox unpublished", partial(_unpublished, context)))


def _register(context: str, model: type[Model], laws: Sequence[Law], values: dict[str, Any]) -> None:
    for law in laws:
        sql = law.sql.replace("{table}", model._meta.db_table)
        register_law(context, Law(law.promise, law.title, sql), **values)


def _unpublished(context: str) -> Iterator[Violation]:
    rows = history_of(context)._default_manager.using(transactions.alias_for(context))
    for fact in rows.filter(published_at=None).order_by("id"):
        yield Violation("I8", f"{fact.type} {fact.event_id} of {fact.aggregate_id}", "deleted before it was published")


def _heard_and_never_told(context: str) -> Any:
    """Return the check that every applied delivery has its fact in an outbox, as far back as these remember.

    A page of the inbox comes as the ids of each type and goes on to the outbox as it is; only what is missing there is read.
    """
    inbox = inbox_of(context)._meta.db_table

    def run() -> Iterator[Violation]:
        after = 0
        earliest = max(remembered_since() + HEARD_WITHIN, audit.since() or remembered_since())
        while rows := audit.read(
            context,
            f"WITH page AS (SELECT id, event_id, event_type FROM {inbox} WHERE id > %(after)s AND status = 'PROCESSED'"
            f"  AND received_at > %(earliest)s ORDER BY id LIMIT {PAGE})"
            " SELECT event_type, array_agg(event_id)::text, count(*), (SELECT max(id) FROM page) FROM page GROUP BY event_type",
            {"after": after, "earliest": earliest},
        ):
            last = rows[0][-1]
            for event_type, ids, _count, _last in rows:
                if untold := _never_told(event_type, ids):
                    for event_id, subscriber in audit.read(
                        context,
                        f"SELECT event_id, subscriber FROM {inbox} WHERE id > %(after)s AND id <= %(last)s"
                        " AND event_id = ANY(%(untold)s::uuid[]) ORDER BY id",
                        {"after": after, "last": last, "untold": untold},
                    ):
                        yield _violation(event_type, event_id, subscriber)
            audit.note_rows(sum(count for _type, _ids, count, _last in rows))
            after = last

    return run


def _violation(event_type: str, event_id: UUID, subscriber: str) -> Violation:
    teller = registry[event_type].context()
    return Violation(
        "I8", f"delivery {event_id} at {subscriber}", f"{event_type} was applied, and {teller} has never told it"
    )


def _never_told(event_type: str, ids: str) -> list[UUID]:
    """Return which of these ids, as PostgreSQL writes an array, no outbox and no history has."""
    # Of a type that this release does not know nobody can say who told it.
    if (event := registry.get(event_type)) is None or not _has_outbox(event.context()):
        return []
    teller = event.context()
    # What occurred before the watermark may have left the history, too, however late it was heard. Ids rise with time.
    complete = complete_since(teller, Kept.BEGAN, Kept.HISTORY)
    missing = [
        event_id
        for (event_id,) in audit.read(
            teller,
            "SELECT heard.id FROM unnest(%(ids)s::uuid[]) AS heard (id) WHERE heard.id >= %(first)s AND NOT EXISTS"
            f" (SELECT 1 FROM {outbox_of(teller)._meta.db_table} AS o WHERE o.event_id = heard.id)",
            {"ids": ids, "first": UUID(int=0) if complete is None else first_id_at(complete)},
        )
    ]
    # What left the outbox is looked for where it went: there by its id only, so seldom and not for all.
    past = (
        audit.read(
            teller,
            f"SELECT event_id FROM {history_of(teller)._meta.db_table} WHERE event_id = ANY(%(ids)s::uuid[])",
            {"ids": missing},
        )
        if missing
        else []
    )
    return [event_id for event_id in missing if (event_id,) not in {*past}]


@cache
def _has_outbox(context: str) -> bool:
    return any(model._meta.app_label == context for model in apps.get_models() if issubclass(model, OutboxMessage))
