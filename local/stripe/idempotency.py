"""Idempotency keys: one effect for each, the same answer for 24 hours.

https://docs.stripe.com/api/idempotent_requests: parameters are compared; 5xx answers are kept too; a request that
failed validation or met another one in progress is not kept.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from local.stripe import errors
from local.stripe.store import Transaction, dump, load

Json = dict[str, Any]
KEPT_SECONDS = 24 * 60 * 60
LONGEST_KEY = 255


@dataclass(frozen=True)
class Answer:
    """A status and a body, as first given to a key."""

    status: int
    body: Json
    request_id: str
    should_retry: str | None = None


class InProgress:
    """The keys being used at this moment; a second user is refused, not queued."""

    def __init__(self) -> None:
        self._keys: set[str] = set()
        self._lock = threading.Lock()

    @contextmanager
    def using(self, *, key: str | None) -> Iterator[None]:
        """Hold a key. Raises: StripeError (409) when it is held already."""
        if key is None:
            yield
            return
        with self._lock:
            if key in self._keys:
                raise errors.key_in_use(key=key)
            self._keys.add(key)
        try:
            yield
        finally:
            with self._lock:
                self._keys.discard(key)


def check_key(*, key: str | None) -> None:
    """Refuse a key Stripe would not take."""
    if key is not None and not 0 < len(key) <= LONGEST_KEY:
        raise errors.StripeError(
            status=400,
            kind="idempotency_error",
            message=f"Idempotency keys must have between 1 and {LONGEST_KEY} characters.",
            saved=False,
        )


def fingerprint(*, params: Json) -> str:
    """Give what two requests with the same parameters share."""
    # As it was always written: a file of an earlier release knows its keys by it.
    return hashlib.sha256(json.dumps(params, sort_keys=True).encode()).hexdigest()


def recall(tx: Transaction, *, key: str, path: str, params: Json) -> Answer | None:
    """Give the answer kept under a key. Raises: StripeError when the key was used for another request."""
    row = tx.execute(
        "SELECT fingerprint, path, status, body, request_id, should_retry FROM answers WHERE key = ? AND created > ?",
        (key, tx.now - KEPT_SECONDS),
    ).fetchone()
    if row is None:
        return None
    if row[1] != path:
        raise errors.key_reused(key=key, difference="endpoint")
    if row[0] != fingerprint(params=params):
        raise errors.key_reused(key=key, difference="parameters")
    return Answer(status=row[2], body=load(row[3]), request_id=row[4], should_retry=row[5])


def keep(tx: Transaction, *, key: str, path: str, params: Json, answer: Answer) -> None:
    """Keep an answer under a key."""
    tx.execute(
        "INSERT OR REPLACE INTO answers (key, fingerprint, path, status, body, request_id, should_retry, created)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            key,
            fingerprint(params=params),
            path,
            answer.status,
            dump(answer.body),
            answer.request_id,
            answer.should_retry,
            tx.now,
        ),
    )
