"""State machines: an enum, a table of allowed moves, and the one function that changes a status.

`change_status` is compare-and-set: `UPDATE ... WHERE id = :id AND status IN (:expected)`. Correctness under concurrency
comes from this alone. It publishes the event of the move in the same transaction, so no change is without its event.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar, cast

from django.db import connections, models
from django.db.models.sql import UpdateQuery

from shop import transactions
from shop.events.event import Event
from shop.events.outbox import fact, outbox_of
from shop.events.publishing import announce

Status = TypeVar("Status", bound=models.TextChoices)


def read_status(statuses: type[Status], text: str) -> Status:
    """Return the status that a row holds, or the text itself if this release has no such status.

    While a release is rolled out, its processes write statuses that those of the one before do not know. These pass them on
    to customers, and the audit names them once only the new ones run.
    """
    try:
        return statuses(text)
    except ValueError:
        return cast("Status", text)


class IllegalTransition(RuntimeError):
    """A move that the transition table does not hold was asked for: always a bug."""


class Transitions(Mapping[str, frozenset[str]]):
    """The allowed moves of one status: `{from: {to, ...}}`; a status without moves is terminal."""

    def __init__(self, moves: Mapping[str, Collection[str]]) -> None:
        self._moves = {str(source): frozenset(map(str, targets)) for source, targets in moves.items()}
        unknown = {target for targets in self._moves.values() for target in targets} - self._moves.keys()
        if unknown:
            raise ValueError(f"moves lead to statuses that the table does not list: {sorted(unknown)}")

    def __getitem__(self, status: str) -> frozenset[str]:
        return self._moves[status]

    def __iter__(self) -> Iterator[str]:
        return iter(self._moves)

    def __len__(self) -> int:
        return len(self._moves)

    @property
    def terminal(self) -> frozenset[str]:
        """The statuses that nothing leaves."""
        return frozenset(status for status, targets in self._moves.items() if not targets)

    def check(self, sources: Collection[str], target: str) -> None:
        """Raise IllegalTransition unless every source may move to `target`."""
        wrong = sorted(str(source) for source in sources if target not in self._moves[str(source)])
        if wrong:
            raise IllegalTransition(f"no move from {', '.join(wrong)} to {target}")


@dataclass(frozen=True)
class ByPayload:
    """The status that a fact leaves is told by this member of its payload: as its text says, or as `means` reads it."""

    member: str
    means: Mapping[str, str] = field(default_factory=dict)

    def read(self, told: object) -> str:
        """Return the status that this member tells of; its text is as the payload has it: true, not True."""
        text = str(told).lower() if isinstance(told, bool) else str(told)
        return str(self.means.get(text, text))


class StatusModel(models.Model):
    """A row with a status that only its facts move, and a version that rises by one with each move."""

    TRANSITIONS: ClassVar[Transitions]
    # The status that a fact leaves the row in, by its class. A fact that is not here moves no such row.
    STATUS_AFTER: ClassVar[Mapping[type[Event], str | ByPayload]]

    version = models.PositiveIntegerField(default=1, editable=False)

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert the row. Raises: IllegalTransition on any other use, which could overwrite a status unseen."""
        fields = kwargs.get("update_fields")
        if not self._state.adding and (fields is None or {"status", "version"} & set(fields)):
            raise IllegalTransition(f"{self._meta.label}: a status is changed by change_status() only")
        super().save(*args, **kwargs)

    @classmethod
    def status_after(cls, event: Event, *, expected: Collection[str] = ()) -> str:
        """Return the status that `event` leaves a row in that stood in one of `expected`, or was not there before.

        Raises: IllegalTransition where it tells of no status of such a row, or the table does not hold the move.
        """
        after = cls.STATUS_AFTER.get(type(event))
        if after is None:
            raise IllegalTransition(f"{event.type} does not tell of a move of {cls._meta.label}")
        to = after.read(getattr(event, after.member)) if isinstance(after, ByPayload) else str(after)
        if to not in cls.TRANSITIONS:
            raise IllegalTransition(f"{event.type} tells of {to}, which is not a status of {cls._meta.label}")
        cls.TRANSITIONS.check(expected, to)
        return to


def change_status(
    model: type[StatusModel],
    pk: uuid.UUID,
    *,
    expected: Collection[str],
    event: Event,
    seen: Mapping[str, Any] | None = None,
    **values: Any,
) -> int | None:
    """Move one row to the status that `event` tells of if it stands in one of `expected`; publish `event` with its version.

    `seen`: columns that must hold these values, too. `values` are further columns to write in the same statement. Needs
    an open transaction of the model's context.
    Returns the new version, or None where the row was not in `expected` or not as `seen`: somebody else moved it first.
    Raises: IllegalTransition where the model's table does not hold the move, or `event` tells of no status.
    """
    to = model.status_after(event, expected=expected)
    context = model._meta.app_label
    alias = transactions.require(context)
    rows = model._default_manager.using(alias).filter(
        **{"pk": pk, "status__in": [str(status) for status in expected], **(seen or {})}
    )
    query = cast(UpdateQuery, rows.query.chain(UpdateQuery))
    query.add_update_values({"status": to, "version": models.F("version") + 1, **values})
    update, parameters = query.get_compiler(alias).as_sql()
    told = fact(event)
    # One statement: the fact is written exactly if the row moved, and with the version that it moved to.
    with connections[alias].cursor() as cursor:
        transactions.note_statement(f"{context}.change_status")
        cursor.execute(
            f"WITH moved AS ({update} RETURNING {model._meta.pk.column} AS pk, version),"
            f" told AS ({_TELL.format(outbox=outbox_of(context)._meta.db_table)}) SELECT version FROM moved",
            [*parameters, *told.values()],
        )
        row = cursor.fetchone()
    if row is None:
        return None
    announce(event)
    return int(row[0])


_TELL = (
    "INSERT INTO {outbox} (event_id, type, schema_version, payload, traceparent, actor, request_id, last_error,"
    " aggregate_id, aggregate_version) SELECT %s::uuid, %s, %s::smallint, %s::jsonb, %s, %s, %s::uuid, '', pk, version"
    " FROM moved"
)
