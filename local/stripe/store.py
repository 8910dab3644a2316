"""What the sandbox remembers, in one SQLite file (or in memory): objects, answers, money moved, deliveries owed.

A request's whole effect and its answer are one transaction, so a process killed between effect and answer finds
both after it restarts. One connection, one lock: requests are executed one after another.
"""

from __future__ import annotations

import secrets
import sqlite3
import string
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

Json = dict[str, Any]

SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, created INTEGER NOT NULL,
    payment_intent TEXT, label TEXT, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS objects_by_kind ON objects (kind, seq);
CREATE INDEX IF NOT EXISTS objects_by_intent ON objects (payment_intent, kind, seq) WHERE payment_intent IS NOT NULL;
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, path TEXT NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL,
    request_id TEXT NOT NULL, should_retry TEXT, created INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS movements (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, created INTEGER NOT NULL, payment_intent TEXT NOT NULL, order_id TEXT,
    currency TEXT NOT NULL, kind TEXT NOT NULL, amount INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS movements_by_order ON movements (order_id);
CREATE TABLE IF NOT EXISTS deliveries (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
    due REAL NOT NULL);
CREATE INDEX IF NOT EXISTS deliveries_by_due ON deliveries (due);
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
TABLES = ("objects", "answers", "movements", "deliveries", "settings")
ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
# Any byte as a letter; that some come a little more often than others does no harm here.
LETTERS = bytes(ord(ALPHABET[byte % len(ALPHABET)]) for byte in range(256))
API_VERSION = "2026-10-28.endive"


def new_id(*, prefix: str, length: int = 24) -> str:
    """Make an id of Stripe's form: a prefix and random letters and digits."""
    return prefix + secrets.token_bytes(length).translate(LETTERS).decode()


def dump(body: Json) -> str:
    """Write an object as compact JSON."""
    return msgspec.json.encode(body).decode()


def load(text: str) -> Json:
    """Read an object from JSON."""
    body: Json = msgspec.json.decode(text)
    return body


@dataclass(frozen=True)
class Delivery:
    """One copy of one event that is owed to the endpoint."""

    seq: int
    event: str
    attempts: int = 0
    due: float = 0.0


def undelivered(event_type: str) -> list[float]:
    """Owe no delivery, as where there is no endpoint."""
    return []


def untold(owed: list[Delivery]) -> None:
    """Leave what is owed in the database, as where nobody delivers."""


class Store:
    """The database, and the only way in: `transaction()`."""

    def __init__(self, *, database: str) -> None:
        if database != ":memory:":
            Path(database).parent.mkdir(parents=True, exist_ok=True)
        self.lock = threading.RLock()
        self.delays: Callable[[str], list[float]] = undelivered
        # Called with what a transaction owes, right after its commit and before anybody else reads.
        self.owe: Callable[[list[Delivery]], None] = untold
        self._connection = sqlite3.connect(database, check_same_thread=False, isolation_level=None, timeout=30)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(SCHEMA)
        row = self._connection.execute("SELECT value FROM settings WHERE name = 'clock'").fetchone()
        self._ahead = int(row[0]) if row else 0

    def now(self) -> int:
        """Give the sandbox's time in Unix seconds; it can be ahead of the real one."""
        return int(time.time()) + self._ahead

    def advance(self, *, seconds: int) -> int:
        """Move the clock forward, for good; give the new time."""
        with self.lock:
            self._ahead += seconds
            self._connection.execute("INSERT OR REPLACE INTO settings VALUES ('clock', ?)", (str(self._ahead),))
        return self.now()

    @contextmanager
    def transaction(self, *, request: Json | None = None) -> Iterator[Transaction]:
        """Write all or nothing, alone. `request` is what the events emitted name as their cause."""
        with self.lock:
            self._connection.execute("BEGIN IMMEDIATE")
            tx = Transaction(store=self, connection=self._connection, request=request)
            try:
                yield tx
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
            if tx.owed:
                self.owe(tx.owed)

    def alone(self, sql: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Run one statement as a transaction of its own and give its rows."""
        with self.lock:
            return self._connection.execute(sql, values).fetchall()

    def clear(self) -> None:
        """Forget everything."""
        with self.transaction() as tx:
            for table in TABLES:
                tx.execute(f"DELETE FROM {table}")
        self._ahead = 0

    def close(self) -> None:
        """Close the database."""
        with self.lock:
            self._connection.close()


class Transaction:
    """Reads and writes of one request, under the store's lock."""

    def __init__(self, *, store: Store, connection: sqlite3.Connection, request: Json | None) -> None:
        self.now = store.now()
        self.request = request
        self.base_url = ""
        self.owed: list[Delivery] = []
        self._delays = store.delays
        self._connection = connection

    def execute(self, sql: str, values: tuple[Any, ...] | Json = ()) -> sqlite3.Cursor:
        """Run one statement."""
        return self._connection.execute(sql, values)

    @contextmanager
    def undoing(self, *, unless: Callable[[BaseException], bool]) -> Iterator[None]:
        """Undo what was written when it raises, unless the error says its effects stay; nothing was written before it."""
        try:
            yield
        except BaseException as error:
            if not unless(error):
                self.execute("ROLLBACK")
                self.execute("BEGIN IMMEDIATE")
                self.owed.clear()
            raise

    def find(self, *, kind: str, object_id: str) -> Json | None:
        """Give the object of this kind and id, or None."""
        row = self.execute("SELECT body FROM objects WHERE id = ? AND kind = ?", (object_id, kind)).fetchone()
        return load(row[0]) if row else None

    def insert(self, body: Json, *, kind: str, payment_intent: str | None = None, label: str | None = None) -> None:
        """Add an object."""
        self.execute(
            "INSERT INTO objects (id, kind, created, payment_intent, label, body) VALUES (?, ?, ?, ?, ?, ?)",
            (body["id"], kind, body["created"], payment_intent, label, dump(body)),
        )

    def save(self, body: Json) -> None:
        """Write an object back."""
        self.execute("UPDATE objects SET body = ? WHERE id = ?", (dump(body), body["id"]))

    def seq_of(self, *, kind: str, object_id: str) -> int | None:
        """Give an object's place in the order of creation."""
        row = self.execute("SELECT seq FROM objects WHERE id = ? AND kind = ?", (object_id, kind)).fetchone()
        return int(row[0]) if row else None

    def page(self, *, kind: str, where: list[str], values: list[Any], limit: int, backwards: bool) -> list[Json]:
        """Give up to `limit` objects, newest first; `backwards` takes those nearest to the oldest end."""
        clauses = " AND ".join(["kind = ?", *where])
        order = "ASC" if backwards else "DESC"
        rows = self.execute(
            f"SELECT body FROM objects WHERE {clauses} ORDER BY seq {order} LIMIT ?",
            (kind, *values, limit),
        ).fetchall()
        return [load(row[0]) for row in rows]

    def of_intent(self, *, kind: str, payment_intent: str) -> list[Json]:
        """Give the objects of a PaymentIntent, oldest first."""
        rows = self.execute(
            "SELECT body FROM objects WHERE payment_intent = ? AND kind = ? ORDER BY seq", (payment_intent, kind)
        ).fetchall()
        return [load(row[0]) for row in rows]

    def emit(self, event_type: str, subject: Json, *, previous: Json | None = None) -> None:
        """Record an event about an object as it is now, and owe its deliveries."""
        visible = {key: value for key, value in subject.items() if key != "_"}
        event: Json = {
            "id": new_id(prefix="evt_"),
            "object": "event",
            "api_version": API_VERSION,
            "created": self.now,
            "data": {"object": visible, **({"previous_attributes": previous} if previous else {})},
            "livemode": False,
            "pending_webhooks": 0,
            "request": self.request or {"id": None, "idempotency_key": None},
            "type": event_type,
        }
        self.insert(event, kind="event", label=event_type)
        moment = time.time()
        for delay in self._delays(event_type):
            due = moment + delay
            row = self.execute("INSERT INTO deliveries (event, due) VALUES (?, ?)", (event["id"], due))
            self.owed.append(Delivery(seq=row.lastrowid or 0, event=event["id"], due=due))

    def pending_deliveries(self, *, event: str) -> int:
        """Count the endpoints that still owe a 2xx for this event: one or none."""
        row = self.execute("SELECT EXISTS (SELECT 1 FROM deliveries WHERE event = ?)", (event,)).fetchone()
        return int(row[0])

    def move(self, *, kind: str, intent: Json, amount: int) -> None:
        """Write down that money was authorized, captured, refunded or released; never changed afterwards."""
        self.execute(
            "INSERT INTO movements (created, payment_intent, order_id, currency, kind, amount)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (self.now, intent["id"], intent["metadata"].get("order_id"), intent["currency"], kind, amount),
        )
