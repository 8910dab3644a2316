"""The relay's SQL: claim what waits in an outbox, and note what became of it.

Note [One round trip]
The lock, the marks of the claim before and the claim are three statements that are sent together. PostgreSQL runs them in
one implicit transaction and gives each a snapshot of its own. The snapshot of the claim must be newer than the lock: an
older one may miss the claims of the relay that held the lock before, and would take a later row of an aggregate whose
earlier row is under way. So the lock cannot be taken inside the claim (WITH gate AS (SELECT pg_try_advisory_xact_lock)).

Note [One plan for any backlog]
The statements are prepared, and planned once in a session. A plan made while the outbox was empty must be right for a
backlog too. So the statement that takes the lock also leaves the planner no choice, up to the end of the transaction: it
walks the index of all waiting rows, and finds the others one by one.

Note [Marks that a crash may lose]
They are committed without waiting for the disk. After a crash of PostgreSQL, facts that were marked in its last moments
are published again, and the inboxes drop the copies; claims that are lost leave their rows free, as their end would.

Note [A claim waits for the disk]
Where facts are committed without waiting either (ADR 0027), one may be read before it is durable. So there the claim of a
fact is a commit that waits, and makes durable what it read, before anybody outside hears of it.

Note [No wake is lost]
A relay drains until its claim comes back empty, with the marks of the claim before in the same transaction, under the
lock. Another relay that found a row blocked by ours either found the lock taken, and comes again, or looked before our
last claim, and then our claim sees that row.

Note [An index that must not be used]
The earlier rows of an aggregate are found by the aggregate. coalesce() keeps the planner away from the index of all
waiting rows: it looks cheap while nothing waits, and is then read once for each row of a backlog.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
from django.conf import settings

from shop import transactions
from shop.events.event import Envelope
from shop.events.outbox import outbox_of
from shop.statements import Statement, Together

LEASE_SECONDS = 8
# No claim and no wait after a refusal is longer: one that ends later (a clock that was set back, a row written by hand)
# holds nothing back.
LONGEST = "interval '10 minutes'"
# Of a claimed row; what a claim does besides comes after them.
COLUMNS = 10

_MARK = (
    "UPDATE {outbox} SET published_at = now(), claimed_until = NULL"
    " WHERE id = ANY(%(arrived)s::bigint[]) AND published_at IS NULL"
)
# See Note [One plan for any backlog].
_PLAN = "".join(
    f", set_config('{name}', '{value}', true)"
    for name, value in {
        "plan_cache_mode": "force_generic_plan",
        "enable_seqscan": "off",
        "enable_bitmapscan": "off",
        "enable_hashjoin": "off",
        "enable_mergejoin": "off",
    }.items()
)
# See Note [A claim waits for the disk].
_WAITS = ", set_config('synchronous_commit', current_setting('shop.commit'), true)"
_LOCK = (
    "SELECT set_config('shop.relay', CASE WHEN pg_try_advisory_xact_lock(hashtext(%(lock)s::text))"
    "  THEN 'mine' ELSE '' END, true), set_config('shop.commit', current_setting('synchronous_commit'), true),"
    " set_config('synchronous_commit', 'off', true)" + _PLAN
)
_CLAIM = (
    "WITH next AS (SELECT id FROM {outbox} AS o WHERE current_setting('shop.relay') = 'mine'"
    "  AND published_at IS NULL AND quarantined_at IS NULL"
    "  AND (claimed_until IS NULL OR claimed_until < clock_timestamp() OR claimed_until > clock_timestamp() + {longest})"
    "  AND NOT EXISTS (SELECT 1 FROM {outbox} AS earlier WHERE earlier.aggregate_id = o.aggregate_id"
    "   AND earlier.id < o.id AND coalesce(earlier.published_at, earlier.quarantined_at) IS NULL"
    "   AND earlier.claimed_until BETWEEN clock_timestamp() AND clock_timestamp() + {longest})"
    "  ORDER BY id LIMIT %(limit)s::bigint FOR UPDATE SKIP LOCKED)"
    " UPDATE {outbox} AS o SET claimed_until = clock_timestamp() + make_interval(secs => %(lease)s::float8)"
    " FROM next WHERE o.id = next.id"
    " RETURNING o.id, o.attempts, o.event_id, o.type, o.schema_version, o.aggregate_id, o.aggregate_version,"
    " o.payload::text, o.traceparent, o.occurred_at{waits}"
)
_RELEASE = "UPDATE {outbox} SET claimed_until = NULL WHERE id = ANY(%(ids)s) AND published_at IS NULL"
_REFUSE = (
    "UPDATE {outbox} AS o SET attempts = o.attempts + 1, last_error = refused.error,"
    " claimed_until = CASE WHEN refused.hopeless THEN NULL ELSE now() + make_interval(secs => refused.wait) END,"
    " quarantined_at = CASE WHEN refused.hopeless THEN now() END"
    " FROM unnest(%(ids)s::bigint[], %(errors)s::text[], %(waits)s::float8[], %(hopeless)s::bool[])"
    "  AS refused (id, error, wait, hopeless) WHERE o.id = refused.id AND o.published_at IS NULL"
)


@dataclass(frozen=True, slots=True)
class Row:
    """A claimed outbox row."""

    pk: int
    attempts: int
    envelope: Envelope


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that the transport did not take: try again after `wait` seconds, or, where that is hopeless, never."""

    row: Row
    error: str
    wait: float
    hopeless: bool


def mark_and_claim(context: str, arrived: Sequence[int], *, limit: int) -> tuple[list[Row], bool]:
    """Mark `arrived` published and claim up to `limit` rows; return them in order, and whether the lock was ours.

    See Note [One round trip]. While another relay drains this outbox, nothing is claimed.
    """
    with transactions.single(context):
        together = _together(context, marks=bool(arrived), asynchronous=settings.DATABASE_ASYNCHRONOUS_COMMIT)
        results = together.run(arrived=_array(arrived), lock=f"relay:{context}", limit=limit, lease=LEASE_SECONDS)
    ((mine, *_commits),), claimed = results[0], results[-1]
    return [_row(context, values[:COLUMNS]) for values in sorted(claimed)], mine == "mine"


def _array(keys: Sequence[int]) -> str:
    """Return an array as PostgreSQL reads it: the type of a list would be that of its greatest number."""
    return f"{{{','.join(map(str, keys))}}}"


def release(context: str, rows: Sequence[Row]) -> None:
    """Give claimed rows back, for any relay to claim at once."""
    with transactions.single(context):
        _statement(context, "release_claims", _RELEASE).run(ids=[row.pk for row in rows])


def refuse(context: str, refused: Sequence[Refused]) -> None:
    """Count a refusal of each of these rows, and hold it back or set it aside for a human."""
    with transactions.single(context):
        _statement(context, "refuse_rows", _REFUSE).run(
            ids=[each.row.pk for each in refused],
            errors=[each.error for each in refused],
            waits=[each.wait for each in refused],
            hopeless=[each.hopeless for each in refused],
        )


@cache
def _statement(context: str, name: str, text: str) -> Statement:
    return Statement(context, name, text=text.format(outbox=outbox_of(context)._meta.db_table))


@cache
def _together(context: str, *, marks: bool, asynchronous: bool) -> Together:
    return Together(context, "claim", _texts(context, marks=marks, asynchronous=asynchronous))


def _texts(context: str, *, marks: bool, asynchronous: bool) -> list[str]:
    outbox = outbox_of(context)._meta.db_table
    waits = _WAITS if asynchronous else ""
    texts = (_LOCK, _MARK, _CLAIM) if marks else (_LOCK, _CLAIM)
    return [text.format(outbox=outbox, waits=waits, longest=LONGEST) for text in texts]


def _row(context: str, values: tuple[Any, ...]) -> Row:
    pk, attempts, event_id, event_type, version, aggregate_id, aggregate_version, payload, traceparent, at = values
    envelope = Envelope(
        event_id=event_id,
        type=event_type,
        version=version,
        context=context,
        aggregate_id=aggregate_id,
        aggregate_version=aggregate_version,
        occurred_at=at,
        data=msgspec.json.decode(payload),
        traceparent=traceparent,
        position=pk,
    )
    return Row(pk, attempts, envelope)
