"""Signed delivery of events in background threads. What is owed is in the database, so it survives a restart.

Stripe's promises and no more: at least once, in no certain order, a 2xx ends it, anything else is tried again later.
"""

from __future__ import annotations

import fnmatch
import hashlib
import hmac
import http.client
import json
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from payments.sandbox.store import Store

Json = dict[str, Any]

SIGNER = "whsec_sandbox"
WORKERS = 4
BATCH = 64
REQUEST_SECONDS = 10.0
FIRST_RETRY_SECONDS = 0.5
LONGEST_RETRY_SECONDS = 30.0
MOST_ATTEMPTS = 20
SHUFFLE_SECONDS = 0.3
CHANCE = random.SystemRandom()


class BadSettings(ValueError):
    """Delivery settings the sandbox does not know."""


@dataclass(frozen=True)
class Settings:
    """How events are delivered; `duplicate` is how many extra copies of each are sent."""

    url: str | None = None
    secret: str = SIGNER
    duplicate: int = 0
    reorder: bool = False
    delay_seconds: float = 0.0
    drop_types: list[str] = field(default_factory=list)
    paused: bool = False
    retry_seconds: float = FIRST_RETRY_SECONDS


TYPES: dict[str, tuple[type, ...]] = {
    "url": (str, type(None)),
    "secret": (str,),
    "duplicate": (int,),
    "reorder": (bool,),
    "delay_seconds": (int, float),
    "drop_types": (list,),
    "paused": (bool,),
    "retry_seconds": (int, float),
}


def changed(*, settings: Settings, asked: Json) -> Settings:
    """Give the settings with what was asked for changed. Raises: BadSettings."""
    for name, value in asked.items():
        if name not in TYPES:
            raise BadSettings(f"unknown: {name}")
        if not isinstance(value, TYPES[name]) or (isinstance(value, bool) and bool not in TYPES[name]):
            raise BadSettings(f"{name} has the wrong type")
        if isinstance(value, int | float) and value < 0:
            raise BadSettings(f"{name} must not be negative")
    new = replace(settings, **asked)
    if new.url is not None and urlsplit(new.url).scheme not in ("http", "https"):
        raise BadSettings("url must be http or https")
    if not all(isinstance(pattern, str) for pattern in new.drop_types):
        raise BadSettings("drop_types must be a list of strings")
    return new


def signature(*, payload: bytes, secret: str, timestamp: int) -> str:
    """Give the Stripe-Signature header: https://docs.stripe.com/webhooks#verify-manually."""
    digest = hmac.new(secret.encode(), f"{timestamp}.".encode() + payload, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


def post(*, url: str, payload: bytes, headers: dict[str, str]) -> int:
    """POST and give the status. Raises: OSError, http.client.HTTPException."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=REQUEST_SECONDS)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", target, body=payload, headers=headers)
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


@dataclass(frozen=True)
class Delivery:
    """One copy of one event that is owed."""

    seq: int
    event: str
    attempts: int


class Webhooks:
    """Delivers what the store says is owed."""

    def __init__(self, *, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._wanted = threading.Condition()
        self._claimed: set[int] = set()
        self._counts = {"delivered": 0, "failed_attempts": 0, "given_up": 0, "dropped": 0}
        self._stopping = False
        self._thread = threading.Thread(target=self._dispatch, name="sandbox-webhooks", daemon=True)
        self._pool = ThreadPoolExecutor(max_workers=WORKERS, thread_name_prefix="sandbox-webhook")
        store.delays = self._delays

    def start(self) -> None:
        """Begin delivering."""
        self._thread.start()

    def stop(self) -> None:
        """Stop; what is still owed stays in the database."""
        with self._wanted:
            self._stopping = True
            self._wanted.notify_all()
        if self._thread.ident is not None:
            self._thread.join()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def wake(self) -> None:
        """Say that there may be something new to deliver."""
        with self._wanted:
            self._wanted.notify_all()

    def change(self, *, asked: Json) -> None:
        """Change the settings. Raises: BadSettings."""
        with self._wanted:
            self._settings = changed(settings=self._settings, asked=asked)
            self._wanted.notify_all()

    def restore(self) -> None:
        """Go back to plain delivery to the same endpoint, with all counts at zero."""
        with self._wanted:
            self._settings = Settings(url=self._settings.url, secret=self._settings.secret)
            self._counts = dict.fromkeys(self._counts, 0)

    def shown(self) -> Json:
        """Give the settings and how many deliveries there were and are to come."""
        with self._store.transaction() as tx:
            pending = tx.execute("SELECT count(*) FROM deliveries").fetchone()[0]
        with self._wanted:
            settings = {name: getattr(self._settings, name) for name in TYPES if name != "secret"}
            return {**settings, **self._counts, "pending": pending}

    def flush(self) -> Json:
        """Deliver everything owed now, also what is held, delayed or paused; give how it went."""
        sent = {"delivered": 0, "failed": 0}
        for delivery in self._claim(everything=True):
            sent["delivered" if self._deliver(delivery) else "failed"] += 1
        with self._wanted:
            self._wanted.wait_for(lambda: not self._claimed or self._stopping, timeout=REQUEST_SECONDS)
        with self._store.transaction() as tx:
            remaining = tx.execute("SELECT count(*) FROM deliveries").fetchone()[0]
        return {**sent, "remaining": remaining}

    def _delays(self, event_type: str) -> list[float]:
        """Say after how many seconds each copy of a new event is due; runs inside the request's transaction."""
        settings = self._settings
        if settings.url is None:
            return []
        if any(fnmatch.fnmatchcase(event_type, pattern) for pattern in settings.drop_types):
            self._counts["dropped"] += 1
            return []
        spread = SHUFFLE_SECONDS if settings.reorder else 0.0
        return [settings.delay_seconds + CHANCE.uniform(0, spread) for _ in range(1 + settings.duplicate)]

    def _dispatch(self) -> None:
        while True:
            with self._wanted:
                if self._stopping:
                    return
                paused = self._settings.paused or self._settings.url is None
            taken = [] if paused else self._claim(everything=False)
            for delivery in taken:
                self._pool.submit(self._deliver, delivery)
            with self._wanted:
                if self._stopping:
                    return
                if len(self._claimed) >= BATCH or not taken:
                    self._wanted.wait(timeout=self._seconds_to_next(paused=paused))

    def _seconds_to_next(self, *, paused: bool) -> float:
        if paused or self._claimed:
            return 1.0
        with self._store.transaction() as tx:
            due = tx.execute("SELECT min(due) FROM deliveries").fetchone()[0]
        return 1.0 if due is None else min(max(due - time.time(), 0.0), 1.0)

    def _claim(self, *, everything: bool) -> list[Delivery]:
        """Take deliveries nobody is working on; the sooner due the sooner."""
        due = float("inf") if everything else time.time()
        limit = -1 if everything else 2 * BATCH
        with self._store.transaction() as tx:
            rows = tx.execute(
                "SELECT seq, event, attempts FROM deliveries WHERE due <= ? ORDER BY due, seq LIMIT ?", (due, limit)
            ).fetchall()
        with self._wanted:
            free = [Delivery(*row) for row in rows if row[0] not in self._claimed]
            if not everything:
                free = free[: max(BATCH - len(self._claimed), 0)]
            self._claimed.update(delivery.seq for delivery in free)
            if self._settings.reorder:
                CHANCE.shuffle(free)
        return free

    def _deliver(self, delivery: Delivery) -> bool:
        """Send one copy and write down how it went; say whether the endpoint took it."""
        taken = False
        try:
            taken = self._send(delivery)
        finally:
            self._settle(delivery, taken)
            with self._wanted:
                self._claimed.discard(delivery.seq)
                self._wanted.notify_all()
        return taken

    def _send(self, delivery: Delivery) -> bool:
        with self._store.transaction() as tx:
            owed = tx.execute("SELECT 1 FROM deliveries WHERE seq = ?", (delivery.seq,)).fetchone()
            event = tx.find(kind="event", object_id=delivery.event)
        settings = self._settings
        if owed is None or event is None or settings.url is None:
            return False
        payload = json.dumps({**event, "pending_webhooks": 1}, indent=2).encode()
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "Stripe-Signature": signature(payload=payload, secret=settings.secret, timestamp=int(time.time())),
        }
        try:
            status = post(url=settings.url, payload=payload, headers=headers)
        except (OSError, http.client.HTTPException):
            return False
        return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES

    def _settle(self, delivery: Delivery, taken: bool) -> None:
        attempts = delivery.attempts + 1
        given_up = not taken and attempts >= MOST_ATTEMPTS
        pause = min(self._settings.retry_seconds * 2.0 ** (attempts - 1), LONGEST_RETRY_SECONDS)
        with self._store.transaction() as tx:
            if taken or given_up:
                tx.execute("DELETE FROM deliveries WHERE seq = ?", (delivery.seq,))
            else:
                tx.execute(
                    "UPDATE deliveries SET attempts = ?, due = ? WHERE seq = ?",
                    (attempts, time.time() + pause, delivery.seq),
                )
        with self._wanted:
            self._counts["delivered" if taken else "failed_attempts"] += 1
            self._counts["given_up"] += given_up
