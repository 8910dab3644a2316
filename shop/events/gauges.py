"""The figures of the bus: what waits in the outboxes, and what in the inboxes waits for a human or another attempt."""

from __future__ import annotations

from functools import partial

from django.db.models import DurationField, ExpressionWrapper, F, QuerySet
from django.db.models.functions import Now

from shop import transactions
from shop.counting import count_up_to
from shop.events.inbox import hearing_contexts, inbox_of
from shop.events.outbox import OutboxMessage, outbox_of, publishing_contexts
from shop.observability.metrics import Reading, register_gauge

# Of a backlog it is enough to know that it is at least so long.
MOST_WAITING = 100_000


def register_kernel_gauges() -> None:
    """Register the figures of the bus for every context that publishes or hears."""
    for context in publishing_contexts():
        for name, documentation, read in (
            ("shop_outbox_waiting", "Events not published yet", _count_waiting),
            ("shop_outbox_oldest_seconds", "Age of the oldest event not published yet", _age_of_the_oldest),
            ("shop_outbox_quarantined", "Events that the broker refused for good", _count_quarantined),
        ):
            register_gauge(name, documentation, context=context, labels=["context"], read=partial(read, context))
    for context in hearing_contexts():
        for name, documentation, status in (
            ("shop_dead_letters", "Deliveries that wait for a human", "DEAD"),
            ("shop_deliveries_retrying", "Deliveries that wait for their next attempt", "RETRYING"),
        ):
            count = partial(_count_deliveries, context, status)
            register_gauge(name, documentation, context=context, labels=["context"], read=count)


def _count_waiting(context: str) -> Reading:
    return {(context,): count_up_to(_unpublished(context).filter(quarantined_at=None), MOST_WAITING)}


def _age_of_the_oldest(context: str) -> Reading:
    # Ids rise with time, but for transactions that overtake each other: the first one is old enough an answer.
    waiting = _unpublished(context).filter(quarantined_at=None).order_by("pk")
    age = ExpressionWrapper(Now() - F("occurred_at"), output_field=DurationField())
    oldest = waiting.annotate(age=age).values_list("age", flat=True).first()
    return {(context,): max(0.0, oldest.total_seconds()) if oldest else 0.0}


def _count_quarantined(context: str) -> Reading:
    return {(context,): count_up_to(_unpublished(context).filter(quarantined_at__isnull=False), MOST_WAITING)}


def _unpublished(context: str) -> QuerySet[OutboxMessage]:
    return outbox_of(context)._default_manager.using(transactions.alias_for(context)).filter(published_at=None)


def _count_deliveries(context: str, status: str) -> Reading:
    rows = inbox_of(context)._default_manager.using(transactions.alias_for(context))
    return {(context,): count_up_to(rows.filter(status=status), MOST_WAITING)}
