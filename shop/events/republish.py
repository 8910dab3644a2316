"""Publishing facts again: by the sweep, for those that were lost on their way, and by staff.

A fact goes the whole way again, to every subscriber and to outsiders. The inboxes drop what they know, and outsiders know
CloudEvents by their id.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import structlog
from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Now
from prometheus_client import Counter

from shop import topology, transactions
from shop.clock import now
from shop.events import outbox, relay
from shop.events.broker import connect
from shop.events.outbox import outbox_of
from shop.events.unheard import (
    Page,
    Place,
    Since,
    Unheard,
    note_subscriptions,
    page_after,
    remembered_since,
    unheard_among,
)
from shop.models import HearingLook

log = structlog.get_logger(__name__)

# Pages of one outbox in one turn; what a backlog leaves, the next turns take.
PAGES = 20

UNHEARD = Counter("shop_facts_unheard_total", "Published facts that a subscriber never heard of", ["context"])


def publish_again(context: str, ids: Collection[int], *, by: str) -> int:
    """Have the relay publish these facts again; return how many. Those not published yet are left alone.

    Facts that are older than the inboxes remember are left alone too: see Note [As long as the inboxes remember].
    """
    with transactions.transaction(context):
        rows = outbox_of(context)._default_manager.using(transactions.alias_for(context))
        found = rows.filter(pk__in=ids, published_at__isnull=False, occurred_at__gt=remembered_since())
        again = found.update(published_at=None, claimed_until=None, attempts=0)
        if again:
            transactions.after_commit(context, lambda: relay.wake(context))
    if again:
        log.warning("outbox.published_again", context=context, facts=again, by=by)
    return again


def publish_unheard() -> int:
    """Publish again what nobody heard though it was published a while ago; return how many facts that were.

    Each fact is looked at once, some minutes after its publication, in the order in which they were published.
    """
    since = note_subscriptions()
    looked = {look.context: look for look in HearingLook.objects.using(transactions.alias_for("shop"))}
    found = 0
    for context in outbox.publishing_contexts():
        look = looked.get(context)
        place = Place(min(since.values(), default=now()))
        # A place in the future (a clock that was set back) would hide from us what is published until then.
        if look is not None and look.published_at <= now():
            place = Place(look.published_at, look.last_id)
        found += _look_on(context, place, since)
    return found


def _look_on(context: str, place: Place, since: Since) -> int:
    found = 0
    for _page in range(PAGES):
        page = page_after(context, place)
        unheard = unheard_among(page.facts, since)
        if unheard:
            if waiting := _still_on_their_way(unheard):
                log.warning("facts.unheard_behind_a_backlog", context=context, facts=len(unheard), queues=waiting)
                return found
            _publish(context, unheard)
            found += len(unheard)
        place = _note(context, place, page)
        if page.is_last:
            break
    return found


def _publish(context: str, unheard: list[Unheard]) -> None:
    for each in unheard:
        names = {"context": context, "event_type": each.fact.type, "event_id": str(each.fact.event_id)}
        log.error("fact.unheard", **names, order_id=each.fact.order, subscribers=each.subscribers)
    UNHEARD.labels(context).inc(len(unheard))
    publish_again(context, [each.fact.pk for each in unheard], by="the sweep of what was not heard")


def _note(context: str, place: Place, page: Page) -> Place:
    """Keep how far the outbox has been looked at; it never goes back, whoever looks beside us."""
    if not page.moved:
        return place
    place = Place(page.until) if page.is_last else Place(page.facts[-1].published_at, page.facts[-1].pk)
    with transactions.transaction("shop"):
        rows = HearingLook.objects.using(transactions.alias_for("shop"))
        defaults = {"published_at": place.published_at, "last_id": place.pk}
        look, created = rows.get_or_create(context=context, defaults=defaults)
        if not created:
            behind = Q(published_at__lte=place.published_at) | Q(published_at__gt=Now())
            rows.filter(behind, pk=look.pk).update(**defaults)
    return place


def _still_on_their_way(unheard: Iterable[Unheard]) -> list[str]:
    """Return the queues of these subscribers that hold messages: a fact may stand there, and a copy would only make it longer."""
    if not settings.BROKER_URL:
        return []
    contexts = sorted({name.partition(".")[0] for each in unheard for name in each.subscribers})
    with connect() as connection:
        channel: Any = connection.default_channel
        topology.declare(channel)
        queues = [
            queue.name
            for context in contexts
            for queue in (topology.events_queue(context), topology.dead_queue(context))
        ]
        return [name for name in queues if channel.queue_declare(name, passive=True).message_count]


def start_counting() -> None:
    """Create the series at start-up: an alert on their increase sees nothing of the first fact otherwise."""
    for context in outbox.publishing_contexts():
        UNHEARD.labels(context)
