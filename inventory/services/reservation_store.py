"""Reservations in the database: each function is one statement of inventory/sql, and so one compare-and-set.

What a statement finds other than expected it leaves alone; `inventory.services.reservations` then asks what is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from django.conf import settings

from inventory.events import (
    StockCommitted,
    StockExpired,
    StockLow,
    StockPaymentBegan,
    StockReleased,
    StockReserved,
    StockReturned,
    StockShort,
)
from inventory.models import Reservation, ReservationStatus
from inventory.queries import ReservationState, reachable
from inventory.rules import Line, Shortage
from inventory.services import ledger
from inventory.services.ledger import Move
from shop import transactions
from shop.events.event import Event
from shop.events.outbox import fact, origin
from shop.events.publishing import announce
from shop.ids import new_id
from shop.statements import Statement
from shop.states import read_status

_FIND = Statement("inventory", "find_reservation")
_RESERVE = Statement("inventory", "reserve_stock")
_REFUSE = Statement("inventory", "refuse_shortage")
_MOVE = Statement("inventory", "move_reservations")
_BEGIN = Statement("inventory", "begin_payment")
_EXTEND = Statement("inventory", "extend_hold")
_BURY = Statement("inventory", "bury_reservation")
_DECODE_LINES = msgspec.json.Decoder(tuple[Line, ...]).decode


# The facts of reservations that a statement of one order writes.
Told = StockReserved | StockPaymentBegan | StockReleased | StockShort


@dataclass(frozen=True)
class Kept:
    """A reservation as it is on record."""

    order_id: UUID
    status: str
    expires_at: datetime | None
    lines: tuple[Line, ...]
    overdue: bool = False
    extended: bool = False
    shortage: Shortage | None = None
    # The fact that this very call wrote, "" where it found the reservation so.
    told: str = ""

    @classmethod
    def after(cls, event: Told, expires_at: datetime | None, lines: tuple[Line, ...], **more: Any) -> Kept:
        """Return the reservation as the fact left it that was just written."""
        return cls(event.order_id, Reservation.status_after(event), expires_at, lines, told=event.type, **more)

    def state(self) -> ReservationState:
        """Return it as other contexts see it."""
        return ReservationState(self.order_id, read_status(ReservationStatus, self.status), self.expires_at, self.lines)


@dataclass(frozen=True)
class Wish:
    """What an order wants: the fact that it becomes, as the statement reads it."""

    event: StockReserved
    text: bytes

    @classmethod
    def of(cls, event: StockReserved) -> Wish:
        """Return the wish that this fact fulfills, with the origin of whoever asks."""
        row = {"event_id": new_id(), **origin(order_id=event.order_id), "fact": event}
        return cls(event, msgspec.json.encode(row))


@dataclass(frozen=True)
class Asked:
    """An order whose reservation is to move, as the statement reads it."""

    order_id: UUID
    text: bytes

    @classmethod
    def of(cls, order_id: UUID) -> Asked:
        """Return what asks for this order, with the origin of whoever asks."""
        row = {"order_id": order_id, "event_id": new_id(), **origin(order_id=order_id)}
        return cls(order_id, msgspec.json.encode(row))


@dataclass(frozen=True)
class Change:
    """A move of a reservation that moves its stock: its fact, and what one unit does by the status that it comes from."""

    event: type[Event]
    steps: Mapping[ReservationStatus, Move]

    def __post_init__(self) -> None:
        Reservation.TRANSITIONS.check(self.steps, self.to)

    @property
    def to(self) -> str:
        """The status that its fact tells of."""
        return str(Reservation.STATUS_AFTER[self.event])

    def values(self) -> dict[str, Any]:
        """Return the statement's parameters that are the same for every order."""
        [kind] = {step.kind for step in self.steps.values()}
        steps = [
            {"status": status, "available": step.available, "reserved": step.reserved, "sold": step.sold}
            for status, step in self.steps.items()
        ]
        return {
            "to": self.to,
            "kind": kind.value,
            # Expiry begins with the reservations, which it has locked; nobody reserves for an order whose hold is overdue.
            "alone": self.to != ReservationStatus.EXPIRED,
            "steps": msgspec.json.encode(steps).decode(),
            "event_type": self.event.type,
            "event_version": self.event.version,
        }


COMMIT = Change(StockCommitted, {ReservationStatus.PAYING: ledger.COMMIT})
RETURN = Change(StockReturned, {ReservationStatus.COMMITTED: ledger.RETURN})
EXPIRE = Change(StockExpired, {ReservationStatus.HELD: ledger.EXPIRE})
RELEASE = Change(
    StockReleased,
    {
        ReservationStatus.HELD: ledger.RELEASE,
        ReservationStatus.PAYING: ledger.RELEASE,
        ReservationStatus.COMMITTED: ledger.RELEASE_SOLD,
    },
)


@contextmanager
def one_statement() -> Iterator[None]:
    """Open inventory's transaction of one statement. Raises: InventoryBusy, Busy, InventoryUnavailable."""
    with reachable(locks_stock=True), transactions.single("inventory"):
        yield


def find(order_id: UUID) -> Kept | None:
    """Return what is on record of an order. Raises: InventoryUnavailable, Busy."""
    with reachable():
        row = _FIND.one(order_id=order_id)
    if row is None:
        return None
    status, expires_at, overdue, extended, short_sku, short_wanted, short_available, lines = row
    shortage = Shortage(short_sku, short_wanted, short_available) if status == ReservationStatus.SHORT else None
    return Kept(order_id, status, expires_at, _lines(lines), overdue=overdue, extended=extended, shortage=shortage)


def reserve(wishes: Sequence[Wish], *, patience: str) -> dict[UUID, Kept]:
    """Reserve what these orders want if there is enough for all, else nothing; return what was reserved.

    An order that has an answer already is left out. Needs an open transaction, in which it may be the only statement.
    """
    # Lost in a crash, it is asked for again: the order's payment, written down later, waits for the disk.
    rows = _RESERVE.run(
        asynchronous=True,
        patience=patience,
        wishes=_array(wishes),
        ttl_seconds=settings.RESERVATION_TTL_SECONDS,
        event_type=StockReserved.type,
        event_version=StockReserved.version,
        low_type=StockLow.type,
        low_version=StockLow.version,
        threshold=settings.STOCK_LOW_THRESHOLD,
    )
    ends = dict(rows)
    kept = {}
    for event in (wish.event for wish in wishes):
        if event.order_id in ends:
            kept[event.order_id] = Kept.after(event, ends[event.order_id], event.lines)
    if kept:
        announce(wishes[0].event)  # One look at the outbox is enough for facts of one type.
    return kept


@dataclass(frozen=True)
class Verdict:
    """Why an order was not reserved: none of these where there is enough by now, or a call at the same time answered."""

    known: bool
    unsold: tuple[str, ...]
    expired: tuple[UUID, ...]
    refused: Kept | None


def refuse(order_id: UUID, lines: Sequence[Line], *, most_expired: int) -> Verdict:
    """Put on record that there is too little of what an order wants, unless expired holds still keep some of it."""
    told = fact(StockShort(order_id=order_id, sku="", wanted=0, available=0))
    del told["payload"]  # The statement writes it, from what it finds.
    with one_statement():
        [row] = _REFUSE.run(
            patience=ledger.patience(),
            order_id=order_id,
            lines=msgspec.json.encode(lines).decode(),
            limit=most_expired,
            **told,
        )
        known, unsold, expired, *short = row
        refused = None
        if short[0]:
            shortage = Shortage(*short)
            event = StockShort(order_id=order_id, **asdict(shortage))
            announce(event)
            refused = Kept.after(event, None, tuple(lines), shortage=shortage)
    return Verdict(known, tuple(unsold), tuple(expired), refused)


def move(change: Change, asked: Sequence[Asked], *, patience: str) -> dict[UUID, Kept]:
    """Move those of these reservations that stand where `change` starts from, with their stock; return them.

    Needs an open transaction, in which it may be the only statement.
    """
    rows = _MOVE.run(patience=patience, asked=_array(asked), **change.values())
    told = change.event.type
    moved = {row[0]: Kept(row[0], change.to, row[1], _lines(row[2]), told=told) for row in rows}
    for kept in list(moved.values())[:1]:  # One look at the outbox is enough for facts of one type.
        announce(change.event(order_id=kept.order_id, lines=kept.lines))  # type: ignore[call-arg]
    return moved


def begin_payment(order_id: UUID) -> Kept | None:
    """Move a hold whose time is not over to PAYING. Raises: InventoryBusy, InventoryUnavailable."""
    event = StockPaymentBegan(order_id=order_id)
    Reservation.status_after(event, expected=[ReservationStatus.HELD])
    with one_statement():
        row = _BEGIN.one(patience=ledger.patience(), order_id=order_id, **fact(event))
        if row:
            announce(event)
    return Kept.after(event, row[0], _lines(row[1])) if row else None


def extend(order_id: UUID, *, seconds: int) -> Kept | None:
    """Extend a hold whose time is not over and that was not extended before. Raises: InventoryBusy, InventoryUnavailable."""
    with one_statement():
        row = _EXTEND.one(patience=ledger.patience(), order_id=order_id, seconds=seconds)
    return Kept(order_id, ReservationStatus.HELD.value, row[0], _lines(row[1]), extended=True) if row else None


def bury(order_id: UUID) -> Kept | None:
    """Write the tombstone of an order that has reserved nothing; None where it has by now."""
    event = StockReleased(order_id=order_id, lines=())
    with one_statement():
        row = _BURY.one(patience=ledger.patience(), order_id=order_id, **fact(event))
        if row:
            announce(event)
    return Kept.after(event, None, ()) if row else None


def _array(rows: Sequence[Wish] | Sequence[Asked]) -> str:
    """Return one JSON text of many: psycopg would write arrays element by element."""
    return (b"[" + b",".join([row.text for row in rows]) + b"]").decode()


def _lines(text: str | None) -> tuple[Line, ...]:
    return tuple(sorted(_DECODE_LINES(text), key=lambda line: line.sku)) if text else ()
