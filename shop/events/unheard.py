"""Facts that were published and that a subscriber never heard of: what a broker lost after it had confirmed them.

A fact is judged once it has been published for EVENTS_UNHEARD_AFTER_MINUTES. It is owed to each subscriber that wants it and
subscribed before it occurred, and heard where that subscriber has an inbox row for it, whatever the row says.

Note [As long as the inboxes remember]
Inbox rows are pruned after EVENTS_RETENTION_DAYS. A fact that occurred longer ago may have been heard, and its row be gone: it
is neither judged nor published again, since nothing would drop the copy. The setting may have been shorter, or may still be
in another process: so a pruning raises the watermark of the inbox first, and nothing before it is judged either.

Note [Since when a subscriber hears]
A release that adds a subscriber, or changes what one wants, must not have it told of the past. So the first look of a release
notes each subscription with its moment, and `terms` tells of which `wants` it is.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from types import CodeType
from typing import Any
from uuid import UUID

import msgspec
from django.conf import settings
from django.db.models import Q

from shop import transactions
from shop.clock import now
from shop.events import subscribers
from shop.events.inbox import hearing_contexts, inbox_of
from shop.events.outbox import outbox_of
from shop.events.past import MARGIN, Kept, complete_since
from shop.statements import Statement

PAGE = 1000
# Facts whose ids are held against the inboxes together.
IDS = 5000
COLUMNS = ("pk", "event_id", "type", "payload", "occurred_at", "published_at")

Since = Mapping[tuple[str, str], datetime]


@dataclass(frozen=True, slots=True)
class Published:
    """A fact that its outbox counts as published."""

    context: str
    pk: int
    event_id: UUID
    type: str
    payload: Mapping[str, Any]
    occurred_at: datetime
    published_at: datetime

    @property
    def order(self) -> str:
        """The id of the order that it is about; "" where it names none."""
        return str(self.payload.get("order_id", ""))


@dataclass(frozen=True, slots=True)
class Unheard:
    """A published fact, and the subscribers that have not heard of it."""

    fact: Published
    subscribers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """How far an outbox has been looked at, in the order of publication."""

    published_at: datetime
    pk: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """Facts in the order of publication. `until`: all up to there may be judged; `moved`: some fact lies before it."""

    facts: Sequence[Published]
    until: datetime
    moved: bool

    @property
    def is_last(self) -> bool:
        """Whether nothing to judge follows."""
        return len(self.facts) < PAGE


def remembered_since() -> datetime:
    """Return the moment from which on the inboxes know everything. See Note [As long as the inboxes remember]."""
    kept = now() - timedelta(days=settings.EVENTS_RETENTION_DAYS) + MARGIN
    pruned = [complete_since(context, Kept.INBOX) for context in hearing_contexts()]
    return max([kept, *(moment for moment in pruned if moment is not None)])


def subscribed_since() -> Since:
    """Return since when each subscriber of this release hears each type; those that were never noted are left out."""
    terms = {(each.name, event_type, _terms(each)) for event_type, all_ in _subscriptions() for each in all_}
    found = _SUBSCRIPTIONS.run()
    return {(name, event_type): since for name, event_type, of, since in found if (name, event_type, of) in terms}


def note_subscriptions() -> Since:
    """Note the subscriptions that are new in this release, and return since when each holds."""
    since = subscribed_since()
    rows = [
        [each.name, event_type, _terms(each)]
        for event_type, all_ in _subscriptions()
        for each in all_
        if (each.name, event_type) not in since
    ]
    if not rows:
        return since
    with transactions.single("shop"):
        _NOTE.run(rows=msgspec.json.encode(rows).decode())
    return subscribed_since()


def page_after(context: str, place: Place) -> Page:
    """Return the next facts of an outbox that are old enough to be judged."""
    types = [event_type for event_type, _all in _subscriptions()]
    rows = _pages(context).run(
        published_at=place.published_at, pk=place.pk, types=types, age=settings.EVENTS_UNHEARD_AFTER_MINUTES * 60
    )
    until, moved, *_nothing = rows[0]
    return Page([_published(context, *row[2:]) for row in rows if row[2] is not None], until, moved)


def unheard_among(facts: Sequence[Published], since: Since) -> list[Unheard]:
    """Return which of these facts a subscriber has not heard of, in their order."""
    if not facts:
        return []
    oldest = remembered_since()
    owed: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for fact in facts:
        if fact.occurred_at <= oldest:
            continue
        for each in subscribers.hearers_of(fact.type, fact.payload):
            if since.get((each.name, fact.type), now()) < fact.occurred_at:
                owed[each.context].append((each.name, str(fact.event_id)))
    missing: defaultdict[str, list[str]] = defaultdict(list)
    for context, pairs in owed.items():
        for subscriber, event_id in _missing(context).run(pairs=msgspec.json.encode(pairs).decode()):
            missing[str(event_id)].append(subscriber)
    return [Unheard(fact, tuple(names)) for fact in facts if (names := missing.get(str(fact.event_id)))]


def look_through(
    context: str, since: Since, *, note_rows: Callable[[int], object] = lambda _rows: None
) -> Iterator[Unheard]:
    """Yield all facts of an outbox that are not heard, as far back as the inboxes remember; tell `note_rows` of each page.

    Nearly all are heard. So the ids alone are held against the inboxes first, as if each subscriber wanted every fact of its
    types and always had; only what then seems unheard is read whole and judged.
    """
    oldest = remembered_since()
    place = Place(max(oldest, min(since.values(), default=now())))
    while rows := _ids_after(context).run(
        published_at=place.published_at,
        pk=place.pk,
        types=[event_type for event_type, _all in _subscriptions()],
        age=settings.EVENTS_UNHEARD_AFTER_MINUTES * 60,
        limit=IDS,
    ):
        facts = {fact.pk: fact for event_type, ids, *_more in rows for fact in _doubted(context, event_type, ids)}
        yield from unheard_among([facts[pk] for pk in sorted(facts)], since)
        note_rows(sum(count for _type, _ids, count, *_last in rows))
        *_more, published_at, pk = rows[0]
        place = Place(published_at, pk)


def _doubted(context: str, event_type: str, ids: str) -> Iterator[Published]:
    """Yield which of these facts of a type, ids as PostgreSQL writes an array, some subscriber has no row for."""
    by_context: defaultdict[str, list[str]] = defaultdict(list)
    for each in subscribers.all_subscriptions().get(event_type, ()):
        by_context[each.context].append(each.name)
    for hearing, names in by_context.items():
        [(doubted,)] = _without_a_row(hearing).run(ids=ids, subscribers=names)
        if doubted:
            yield from (_published(context, *row) for row in _by_id(context).run(ids=doubted))


def find(
    context: str,
    *,
    order_id: UUID | None = None,
    event_ids: Collection[UUID] = (),
    since: datetime | None = None,
    until: datetime | None = None,
) -> Iterator[Published]:
    """Yield the published facts of an outbox that these words name, as far back as the inboxes remember; for staff.

    `since` and `until` bound the publication.
    """
    rows = outbox_of(context)._default_manager.using(transactions.alias_for(context))
    rows = rows.filter(published_at__isnull=False, occurred_at__gt=remembered_since()).order_by("published_at", "id")
    if order_id is not None:
        rows = rows.filter(Q(aggregate_id=order_id) | Q(payload__order_id=str(order_id)))
    if event_ids:
        rows = rows.filter(event_id__in=event_ids)
    if since is not None:
        rows = rows.filter(published_at__gte=since)
    if until is not None:
        rows = rows.filter(published_at__lte=until)
    for values in rows.values_list(*COLUMNS).iterator(chunk_size=PAGE):
        yield Published(context, *values)


def of_aggregate(context: str, aggregate_id: UUID) -> Iterator[Published]:
    """Yield the facts of one aggregate that are old enough to be judged."""
    judged = now() - timedelta(minutes=settings.EVENTS_UNHEARD_AFTER_MINUTES)
    rows = outbox_of(context)._default_manager.using(transactions.alias_for(context))
    rows = rows.filter(aggregate_id=aggregate_id, published_at__lte=judged).order_by("id")
    for values in rows.values_list(*COLUMNS):
        yield Published(context, *values)


def is_published(fact: Published) -> bool:
    """Return whether nobody has published the fact again in the meantime."""
    rows = outbox_of(fact.context)._default_manager.using(transactions.alias_for(fact.context))
    return rows.filter(pk=fact.pk, published_at=fact.published_at).exists()


def _subscriptions() -> list[tuple[str, tuple[subscribers.Subscriber, ...]]]:
    return sorted((event_type, all_) for event_type, all_ in subscribers.all_subscriptions().items() if all_)


def _terms(subscriber: subscribers.Subscriber) -> str:
    return "" if subscriber.wants is None else _terms_of(subscriber.wants)


def _terms_of(wants: subscribers.Wants) -> str:
    """Return what distinguishes one `wants` from another, in every process of a release: what it does, and its name."""
    code = getattr(wants, "__code__", None)
    does = b"" if code is None else _digest(code)
    return f"{hashlib.sha256(does).hexdigest()[:16]}:{getattr(wants, '__qualname__', '')}"[:80]


def _digest(code: CodeType) -> bytes:
    """Return the instructions of a function, with those of the functions inside; no address in memory, no order of a set."""
    constants = [_digest(each) if isinstance(each, CodeType) else _stable(each) for each in code.co_consts]
    return code.co_code + repr((code.co_names, constants)).encode()


def _stable(constant: object) -> str:
    return str(sorted(map(repr, constant))) if isinstance(constant, frozenset) else repr(constant)


def _published(context: str, *columns: Any) -> Published:
    pk, event_id, event_type, payload, occurred_at, published_at = columns
    return Published(context, pk, event_id, event_type, msgspec.json.decode(payload), occurred_at, published_at)


_SUBSCRIPTIONS = Statement(
    "shop", "subscriptions", text="SELECT subscriber, event_type, terms, since FROM shop_subscription"
)
_NOTE = Statement(
    "shop",
    "note_subscriptions",
    text="INSERT INTO shop_subscription (subscriber, event_type, terms, since)"
    " SELECT told->>0, told->>1, told->>2, now() FROM jsonb_array_elements(%(rows)s::jsonb) AS rows (told)"
    " ON CONFLICT (subscriber, event_type, terms) DO NOTHING",
)


@cache
def _pages(context: str) -> Statement:
    outbox = outbox_of(context)._meta.db_table
    return Statement(
        context,
        "published_page",
        text="WITH moment AS MATERIALIZED (SELECT now() - make_interval(secs => %(age)s::float8) AS until),"
        f" bound AS MATERIALIZED (SELECT until, EXISTS (SELECT 1 FROM {outbox} AS o"
        "  WHERE o.published_at > %(published_at)s::timestamptz AND o.published_at <= until) AS moved FROM moment)"
        " SELECT bound.until, bound.moved, page.* FROM bound LEFT JOIN LATERAL ("
        f" SELECT id, event_id, type, payload::text, occurred_at, published_at FROM {outbox} AS o"
        "  WHERE (published_at, id) > (%(published_at)s::timestamptz, %(pk)s::bigint) AND published_at <= bound.until"
        f"  AND type = ANY(%(types)s::text[]) ORDER BY published_at, id LIMIT {PAGE}) AS page ON TRUE"
        " ORDER BY page.published_at, page.id",
    )


@cache
def _missing(context: str) -> Statement:
    inbox = inbox_of(context)._meta.db_table
    return Statement(
        context,
        "unheard",
        text="SELECT pair->>0, (pair->>1)::uuid FROM jsonb_array_elements(%(pairs)s::jsonb) AS owed (pair)"
        f" WHERE NOT EXISTS (SELECT 1 FROM {inbox} AS heard WHERE heard.subscriber = pair->>0"
        "  AND heard.event_id = (pair->>1)::uuid) ORDER BY 1, 2",
    )


@cache
def _ids_after(context: str) -> Statement:
    """Return the statement for a page of an outbox by type: the ids, how many, and the place where the page ends."""
    outbox = outbox_of(context)._meta.db_table
    return Statement(
        context,
        "published_ids",
        text=f"WITH page AS MATERIALIZED (SELECT id, event_id, type, published_at FROM {outbox}"
        "  WHERE (published_at, id) > (%(published_at)s::timestamptz, %(pk)s::bigint)"
        "  AND published_at <= now() - make_interval(secs => %(age)s::float8)"
        f" AND type = ANY(%(types)s::text[]) ORDER BY published_at, id LIMIT %(limit)s::int),"
        " last AS (SELECT published_at, id FROM page ORDER BY published_at DESC, id DESC LIMIT 1)"
        " SELECT type, array_agg(event_id)::text, count(*), (SELECT published_at FROM last), (SELECT id FROM last)"
        " FROM page GROUP BY type",
    )


@cache
def _without_a_row(context: str) -> Statement:
    inbox = inbox_of(context)._meta.db_table
    return Statement(
        context,
        "without_a_row",
        text="SELECT array_agg(told.event_id)::text FROM unnest(%(ids)s::uuid[]) AS told (event_id), unnest(%(subscribers)s::text[]) AS owed (name)"
        f" WHERE NOT EXISTS (SELECT 1 FROM {inbox} AS heard WHERE heard.subscriber = owed.name"
        "  AND heard.event_id = told.event_id)",
    )


@cache
def _by_id(context: str) -> Statement:
    outbox = outbox_of(context)._meta.db_table
    return Statement(
        context,
        "published_by_id",
        text=f"SELECT id, event_id, type, payload::text, occurred_at, published_at FROM {outbox}"
        " WHERE event_id = ANY(%(ids)s::uuid[])",
    )
