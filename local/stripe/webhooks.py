"""Signed delivery of events in background threads. What is owed is in the database, so it survives a restart.

Stripe's promises and no more: at least once, in no certain order, a 2xx ends it, anything else is tried again later.
"""

from __future__ import annotations

import fnmatch
import hashlib
import hmac
import http.client
import random
import re
import select
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any
from urllib.parse import SplitResult, urlsplit

from local.stripe.store import Delivery, Store, dump, load

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
CHUNK = 64 * 1024
LARGEST_HEAD = 64 * 1024
STATUS = re.compile(rb"HTTP/1\.[01] ([2-5]\d\d)\b")
LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,9})[ \t]*(?:\r|$)", re.IGNORECASE)
CLOSING = re.compile(rb"\r\nconnection:[ \t]*close|\Ahttp/1\.0", re.IGNORECASE)


class BadSettings(ValueError):
    """Delivery settings the sandbox does not know."""


@dataclass(frozen=True)
class Settings:
    """How events are delivered. `enabled_events`: what the endpoint is registered for; `duplicate`: extra copies of each."""

    url: str | None = None
    secret: str = SIGNER
    enabled_events: list[str] = field(default_factory=lambda: ["*"])
    duplicate: int = 0
    reorder: bool = False
    delay_seconds: float = 0.0
    drop_types: list[str] = field(default_factory=list)
    paused: bool = False
    retry_seconds: float = FIRST_RETRY_SECONDS


TYPES: dict[str, tuple[type, ...]] = {
    "url": (str, type(None)),
    "secret": (str,),
    "enabled_events": (list,),
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
    for name in ("enabled_events", "drop_types"):
        if not all(isinstance(pattern, str) for pattern in getattr(new, name)):
            raise BadSettings(f"{name} must be a list of strings")
    return new


def signature(*, payload: bytes, secret: str, timestamp: int) -> str:
    """Give the Stripe-Signature header: https://docs.stripe.com/webhooks#verify-manually."""
    digest = hmac.new(secret.encode(), f"{timestamp}.".encode() + payload, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


class Sender:
    """POSTs on connections that are kept alive, one for each thread and endpoint."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, str, str], http.client.HTTPConnection] = {}

    def post(self, *, url: str, payload: bytes, headers: dict[str, str]) -> int:
        """POST and give the status. Raises: OSError, http.client.HTTPException."""
        parts = urlsplit(url)
        connection = self._connection(parts)
        stays = False
        try:
            if connection.sock is None:
                connection.connect()
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            told = {"Host": parts.netloc.rpartition("@")[2], "Content-Length": str(len(payload)), **headers}
            head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
            connection.sock.sendall(f"POST {target} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + payload)
            status, stays = _read_answer(connection.sock)
            return status
        finally:
            if not stays:
                connection.close()

    def close(self) -> None:
        """Close the connections. No thread may be posting any more."""
        for connection in self._kept.values():
            connection.close()

    def _connection(self, parts: SplitResult) -> http.client.HTTPConnection:
        key = (threading.get_ident(), parts.scheme, parts.netloc)
        connection = self._kept.get(key)
        if connection is None:
            kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
            connection = self._kept[key] = kind(parts.hostname or "", parts.port, timeout=REQUEST_SECONDS)
        elif connection.sock is not None:
            ended = select.poll()
            ended.register(connection.sock, select.POLLIN)
            if ended.poll(0):
                connection.close()
        return connection


def _read_answer(sock: socket.socket) -> tuple[int, bool]:
    """Read an answer whose body concerns nobody; give its status, and whether the connection can be used again.

    Raises: OSError, http.client.HTTPException.
    """
    received = b""
    while b"\r\n\r\n" not in received:
        chunk = sock.recv(CHUNK)
        if not chunk or len(received) > LARGEST_HEAD:
            raise http.client.BadStatusLine(received[:80].decode("latin-1"))
        received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    found = STATUS.match(head)
    if found is None:
        raise http.client.BadStatusLine(head[:80].decode("latin-1"))
    length = LENGTH.search(head)
    # Without a length the end of the body is the end of the connection, or needs more reading than it is worth.
    if length is None or CLOSING.search(head):
        return int(found.group(1)), False
    left = int(length.group(1)) - len(body)
    while left > 0 and (chunk := sock.recv(CHUNK)):
        left -= len(chunk)
    return int(found.group(1)), left == 0


def _fits(event_type: str, patterns: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(event_type, pattern) for pattern in patterns)


class Webhooks:
    """Delivers what the store says is owed."""

    def __init__(self, *, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._lock = threading.RLock()
        self._asked = False
        # For the thread that looks for what is due, and for a flush that waits until nothing is on its way.
        self._wanted, self._all_sent = threading.Condition(self._lock), threading.Condition(self._lock)
        self._claimed: set[int] = set()
        self._claimed_up_to = 0.0
        self._counts = {"delivered": 0, "failed_attempts": 0, "given_up": 0, "dropped": 0}
        self._stopping = False
        self._thread = threading.Thread(target=self._dispatch, name="sandbox-webhooks", daemon=True)
        self._sender = Sender()
        self._pool = ThreadPoolExecutor(max_workers=WORKERS, thread_name_prefix="sandbox-webhook")
        store.delays = self._delays
        store.owe = self._send_at_once

    def start(self) -> None:
        """Begin delivering."""
        self._thread.start()

    def stop(self) -> None:
        """Stop; what is still owed stays in the database."""
        with self._lock:
            self._stopping = True
            self._wanted.notify_all()
            self._all_sent.notify_all()
        if self._thread.ident is not None:
            self._thread.join()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._sender.close()

    def change(self, *, asked: Json) -> None:
        """Change the settings. Raises: BadSettings."""
        with self._lock:
            self._settings = changed(settings=self._settings, asked=asked)
            self._look_again()

    def restore(self) -> None:
        """Go back to plain delivery to the same endpoint, with all counts at zero."""
        with self._lock:
            kept = {name: getattr(self._settings, name) for name in ("url", "secret", "enabled_events")}
            self._settings = Settings(**kept)
            self._counts = dict.fromkeys(self._counts, 0)
            self._look_again()

    def shown(self) -> Json:
        """Give the settings and how many deliveries there were and are to come."""
        pending = self._store.alone("SELECT count(*) FROM deliveries")[0][0]
        with self._lock:
            settings = {name: getattr(self._settings, name) for name in TYPES if name != "secret"}
            return {**settings, **self._counts, "pending": pending}

    def flush(self) -> Json:
        """Deliver everything owed now, also what is held, delayed or paused; give how it went."""
        sent = {"delivered": 0, "failed": 0}
        for delivery in self._claim(everything=True):
            sent["delivered" if self._deliver(delivery) else "failed"] += 1
        with self._lock:
            self._all_sent.wait_for(lambda: not self._claimed or self._stopping, timeout=REQUEST_SECONDS)
        remaining = self._store.alone("SELECT count(*) FROM deliveries")[0][0]
        return {**sent, "remaining": remaining}

    def _delays(self, event_type: str) -> list[float]:
        """Say after how many seconds each copy of a new event is due; runs inside the request's transaction."""
        settings = self._settings
        if settings.url is None or not _fits(event_type, settings.enabled_events):
            return []
        if _fits(event_type, settings.drop_types):
            self._counts["dropped"] += 1
            return []
        spread = SHUFFLE_SECONDS if settings.reorder else 0.0
        return [settings.delay_seconds + CHANCE.uniform(0, spread) for _ in range(1 + settings.duplicate)]

    def _send_at_once(self, owed: list[Delivery]) -> None:
        """Send what was committed this moment and is due; runs under the store's lock, so nobody has claimed it yet.

        What has to wait is left to the thread that looks for what is due.
        """
        moment = time.time()
        with self._lock:
            settings = self._settings
            held = settings.paused or settings.url is None or settings.reorder or self._stopping
            for delivery in owed:
                if held or delivery.due > moment or len(self._claimed) >= BATCH:
                    self._look_again()
                    return
                self._claimed.add(delivery.seq)
                self._pool.submit(self._deliver, delivery)

    def _dispatch(self) -> None:
        while True:
            with self._lock:
                if self._stopping:
                    return
                self._asked = False
                paused = self._settings.paused or self._settings.url is None
            taken = [] if paused else self._claim(everything=False)
            for delivery in taken:
                self._pool.submit(self._deliver, delivery)
            # Not under the lock: the store's is taken first, everywhere.
            seconds = self._seconds_to_next(paused=paused)
            with self._lock:
                if not self._asked and not self._stopping and (len(self._claimed) >= BATCH or not taken):
                    self._wanted.wait(timeout=seconds)

    def _look_again(self) -> None:
        """Have the thread that looks for what is due look once more; under the lock."""
        self._asked = True
        self._wanted.notify_all()

    def _seconds_to_next(self, *, paused: bool) -> float:
        if paused:
            return 1.0
        # What is due already is being delivered; what was put off by a failure wakes this thread again.
        moment = time.time()
        due = self._store.alone("SELECT min(due) FROM deliveries WHERE due > ?", (self._claimed_up_to,))[0][0]
        return 1.0 if due is None else min(max(due - moment, 0.0), 1.0)

    def _claim(self, *, everything: bool) -> list[Delivery]:
        """Take deliveries nobody is working on; the sooner due the sooner."""
        moment = time.time()
        due = float("inf") if everything else moment
        limit = -1 if everything else 2 * BATCH
        rows = self._store.alone(
            "SELECT seq, event, attempts FROM deliveries WHERE due <= ? ORDER BY due, seq LIMIT ?", (due, limit)
        )
        self._claimed_up_to = moment
        with self._lock:
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
            with self._lock:
                self._claimed.discard(delivery.seq)
                if not self._claimed:
                    self._all_sent.notify_all()
                # A failure is due again later, and what was full has room.
                if not taken or len(self._claimed) >= BATCH - 1:
                    self._look_again()
        return taken

    def _send(self, delivery: Delivery) -> bool:
        owed = self._store.alone(
            "SELECT body FROM deliveries JOIN objects ON objects.id = deliveries.event WHERE deliveries.seq = ?",
            (delivery.seq,),
        )
        settings = self._settings
        if not owed or settings.url is None:
            return False
        payload = dump(load(owed[0][0]) | {"pending_webhooks": 1}).encode()
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "Stripe-Signature": signature(payload=payload, secret=settings.secret, timestamp=int(time.time())),
        }
        try:
            status = self._sender.post(url=settings.url, payload=payload, headers=headers)
        except (OSError, http.client.HTTPException):
            return False
        return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES

    def _settle(self, delivery: Delivery, taken: bool) -> None:
        attempts = delivery.attempts + 1
        given_up = not taken and attempts >= MOST_ATTEMPTS
        pause = min(self._settings.retry_seconds * 2.0 ** (attempts - 1), LONGEST_RETRY_SECONDS)
        if taken or given_up:
            self._store.alone("DELETE FROM deliveries WHERE seq = ?", (delivery.seq,))
        else:
            self._store.alone(
                "UPDATE deliveries SET attempts = ?, due = ? WHERE seq = ?",
                (attempts, time.time() + pause, delivery.seq),
            )
        with self._lock:
            self._counts["delivered" if taken else "failed_attempts"] += 1
            self._counts["given_up"] += given_up
