"""The one place that changes stock: each change is one statement that also appends to the ledger.

Nothing here decides; whether stock suffices is asked of `inventory.rules` while the rows are locked.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db import connections
from django.db.backends.utils import CursorWrapper

from inventory import rules
from inventory.events import StockLow
from inventory.models import MovementKind
from inventory.queries import UnknownProduct, reachable
from inventory.rules import Line
from shop import transactions
from shop.events.publishing import publish

# Of the whole patience: 200 ms of 3 s. Buyers of one product in demand wait a few milliseconds for each other.
BRIEF_SHARE = 1 / 15


@dataclass(frozen=True)
class Level:
    """The locked stock of one product; `active` while it is for sale."""

    sku: str
    product_id: UUID
    active: bool
    available: int


@dataclass(frozen=True)
class StockLevel:
    """How much there is of one SKU, after a movement. `version` rises with each."""

    sku: str
    available: int
    reserved: int
    sold: int
    received: int
    written_off: int
    version: int


@dataclass(frozen=True)
class Move:
    """A kind of movement, and what one unit of it does to each column."""

    kind: MovementKind
    available: int = 0
    reserved: int = 0
    sold: int = 0
    received: int = 0
    written_off: int = 0


RECEIVE = Move(MovementKind.RECEIVED, received=+1, available=+1)
WRITE_OFF = Move(MovementKind.WRITTEN_OFF, available=-1, written_off=+1)
COMMIT = Move(MovementKind.COMMITTED, reserved=-1, sold=+1)
EXPIRE = Move(MovementKind.EXPIRED, reserved=-1, available=+1)
RELEASE = Move(MovementKind.RELEASED, reserved=-1, available=+1)
RELEASE_SOLD = Move(MovementKind.RELEASED, sold=-1, available=+1)
RETURN = Move(MovementKind.RETURNED, sold=-1, available=+1)


@contextmanager
def unit_of_work(lock_patience: str | None = None) -> Iterator[CursorWrapper]:
    """Open inventory's transaction, in which no wait for a lock outlasts the breaker's patience, no statement twice that.

    The wait for a lock must be the shorter one: only so can a product in demand be told from an ill database.
    Raises: InventoryBusy, Busy, InventoryUnavailable.
    """
    with (
        reachable(locks_stock=True),
        transactions.transaction("inventory"),
        connections[transactions.alias_for("inventory")].cursor() as cursor,
    ):
        cursor.execute(
            "SELECT set_config('lock_timeout', %s, true), set_config('statement_timeout', %s, true)",
            [lock_patience or patience(), patience(share=2)],
        )
        yield cursor


def patience(*, share: float = 1) -> str:
    """Return for how long to wait for a lock, as PostgreSQL reads it."""
    return _milliseconds(share * settings.BREAKER_TIMEOUT_SECONDS)


def brief_patience() -> str:
    """Return for how long to wait for a lock that stands in the way of others too, as PostgreSQL reads it."""
    return patience(share=BRIEF_SHARE)


class Patience:
    """How long a use case of several steps waits for locks in all."""

    LEAST_SECONDS = 0.05

    def __init__(self) -> None:
        self._ends = time.monotonic() + settings.BREAKER_TIMEOUT_SECONDS

    def left(self) -> str:
        """Return for how long to wait for a lock now, as PostgreSQL reads it."""
        return _milliseconds(max(self.LEAST_SECONDS, self._ends - time.monotonic()))

    def is_over(self) -> bool:
        """Return whether no time is left to wait."""
        return time.monotonic() > self._ends


def _milliseconds(seconds: float) -> str:
    return f"{max(1, round(seconds * 1000))}ms"


def lock(cursor: CursorWrapper, skus: Sequence[str], *, skip_locked: bool = False) -> dict[str, Level]:
    """Lock the stock of these SKUs, in their order, and return it by SKU, without those that nobody knows.

    With `skip_locked` it waits for nobody, and leaves out what others have locked.
    """
    cursor.execute(
        "SELECT s.sku, p.id, p.active AND tstzrange(p.active_from, p.active_to) @> now(), s.available"
        " FROM inventory_stock AS s JOIN inventory_product AS p ON p.sku = s.sku"
        " WHERE s.sku = ANY(%s) ORDER BY s.sku FOR UPDATE OF s" + (" SKIP LOCKED" if skip_locked else ""),
        [list(skus)],
    )
    return {row[0]: Level(*row) for row in cursor.fetchall()}


def find_locked(skus: Collection[str]) -> list[str]:
    """Return those of these SKUs that others have locked at this moment. Raises: InventoryBusy, InventoryUnavailable."""
    with unit_of_work() as cursor:
        return sorted(set(skus) - lock(cursor, sorted(skus), skip_locked=True).keys())


def wait_for(sku: str, *, patience: str) -> None:
    """Wait until nobody has this SKU locked. Raises: InventoryBusy, InventoryUnavailable."""
    with unit_of_work(patience) as cursor:
        lock(cursor, [sku])


def lock_one(cursor: CursorWrapper, sku: str) -> Level:
    """Lock the stock of one SKU. Raises: UnknownProduct."""
    level = lock(cursor, [sku]).get(sku)
    if level is None:
        raise UnknownProduct(f"not for sale: {sku}", skus=(sku,))
    return level


def move(
    cursor: CursorWrapper,
    step: Move,
    lines: Sequence[tuple[UUID | None, Line]],
    *,
    reference: str = "",
) -> dict[str, StockLevel]:
    """Move stock for each (order, line), append each to the ledger, and return the new levels by SKU.

    Locks the stock rows in the order of SKUs; several orders may want the same one.
    """
    # Note [Lock in order, then write]: an UPDATE alone locks rows in whatever order its plan visits them. The CTE
    # hands them on one by one as it locks them, so every writer of stock meets every other in the order of SKUs. An
    # UPDATE that waited there starts again from the newest version of its row, so the sums below are never stale.
    cursor.execute(
        "WITH line AS (SELECT * FROM unnest(%s::uuid[], %s::text[], %s::bigint[]) AS line (order_id, sku, quantity)),"
        " demand AS (SELECT sku, sum(quantity)::bigint AS quantity FROM line GROUP BY sku),"
        " locked AS MATERIALIZED (SELECT s.sku, demand.quantity FROM inventory_stock AS s JOIN demand USING (sku)"
        "  ORDER BY s.sku FOR UPDATE OF s),"
        " noted AS (INSERT INTO inventory_stockmovement (sku, kind, order_id, reference, available_delta,"
        "  reserved_delta, sold_delta, received_delta, written_off_delta) SELECT sku, %s, order_id, %s, %s * quantity,"
        "  %s * quantity, %s * quantity, %s * quantity, %s * quantity FROM line ORDER BY sku)"
        " UPDATE inventory_stock AS s SET available = s.available + %s * locked.quantity,"
        "  reserved = s.reserved + %s * locked.quantity, sold = s.sold + %s * locked.quantity,"
        "  received = s.received + %s * locked.quantity, written_off = s.written_off + %s * locked.quantity,"
        "  version = s.version + 1 FROM locked WHERE s.sku = locked.sku"
        " RETURNING s.sku, s.available, s.reserved, s.sold, s.received, s.written_off, s.version",
        [
            [order_id for order_id, _ in lines],
            [line.sku for _, line in lines],
            [line.quantity for _, line in lines],
            step.kind.value,
            reference,
            *(deltas := [step.available, step.reserved, step.sold, step.received, step.written_off]),
            *deltas,
        ],
    )
    levels = {row[0]: StockLevel(*row) for row in cursor.fetchall()}
    if missing := {line.sku for _, line in lines} - levels.keys():
        raise LookupError(f"these SKUs have no stock row: {sorted(missing)}")
    return levels


def tell_if_low(before: Level, after: StockLevel) -> None:
    """Publish that a product ran low, if this movement took it to the threshold or below."""
    threshold = settings.STOCK_LOW_THRESHOLD
    if rules.ran_low(before=before.available, after=after.available, threshold=threshold):
        publish(
            StockLow(product_id=before.product_id, sku=before.sku, available=after.available, threshold=threshold),
            aggregate_id=before.product_id,
            aggregate_version=after.version,
        )
