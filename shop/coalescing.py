"""Coalescing: what many threads of one process ask for at the same time is written in one transaction.

A use case hands its wish to its `Batch` and waits. One thread with a connection of its own takes whatever is waiting,
without a timer, first come first served, and runs what is for one use case as one transaction. Whoever it does not
answer goes alone: a wish that needs more than a batch does, each wish of a batch that failed, and all that wait where
the thread ends. There is one such thread a context, and none while nobody asks at the same time. ADR 0022.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

import structlog
from django.conf import settings
from django.db import connections
from prometheus_client import Counter, Gauge, Histogram

from shop import transactions
from shop.errors import Busy, Fault

W = TypeVar("W")
A = TypeVar("A")

log = structlog.get_logger(__name__)

LARGEST = 100
LONGEST_QUEUE = 1000
# A thread that nobody has needed for so long ends, and closes its connection.
IDLE_SECONDS = 60.0
STOP_SECONDS = 5.0
# A batch takes milliseconds, and waits briefly for locks: where one takes longer, nobody queues behind it.
SLOW_SECONDS = 2.0
# Longer than any statement may take: whoever has not come back then waits for a database that is gone.
STUCK_SECONDS = 20.0

SIZES = Histogram(
    "shop_batch_wishes",
    "Wishes of one transaction that answers several callers",
    ["use_case"],
    buckets=(1, 2, 4, 8, 16, 32, 64, 100),
)
WAITING = Gauge(
    "shop_batch_waiting",
    "Wishes that waited when a context's thread last took some",
    ["context"],
    multiprocess_mode="livesum",
)
ALONE = Counter("shop_batch_left", "Wishes of a batch whose callers went on alone", ["use_case", "why"])


class QueueFull(Busy):
    """More requests for the same are waiting than can be answered soon; nothing was done."""

    code = "queue_full"
    title = "Too many requests for this at once; try again"
    fact_types = {"use_case": str}


class NotAnswered(Fault):
    """No batch answered in time. Whether it still will is unknown: ask again, it is idempotent."""

    code = "not_answered"
    title = "This took too long; try again"
    fact_types = {"use_case": str}


class Batch(Generic[W, A]):
    """The batches of one use case: `run(wishes)` is one transaction and returns the answers it has, by key.

    It may leave out any wish and must then leave nothing of it. Two wishes of one key never meet in a batch.
    """

    # Tests of the batches themselves have even a lone caller go through one.
    alone_if_nobody_else_asks = True

    def __init__(
        self,
        context: str,
        use_case: str,
        *,
        key: Callable[[W], Hashable],
        run: Callable[[Sequence[W]], Mapping[Any, A]],
    ) -> None:
        self.context, self.use_case, self.key, self.run = context, use_case, key, run
        self.begin_anew()
        _batches.append(self)
        # Create the series at start-up: an increase from nothing is not seen.
        SIZES.labels(use_case)
        WAITING.labels(context)
        for why in ("failed", "left out"):
            ALONE.labels(use_case, why)

    def begin_anew(self) -> None:
        """Forget who is asking: in a child process nobody is."""
        self._lock, self._asking = threading.Lock(), 0

    def ask(self, wish: W, *, seconds: float, alone: Callable[[], A], left: Callable[[], A]) -> A:
        """Return the answer of the next batch, of `alone()`, or where a batch left the wish out, of `left()`.

        Raises: QueueFull, NotAnswered after so many seconds, and what `alone` and `left` raise; TransactionMisuse where
        a transaction is open, of which the wish would be no part.
        """
        transactions.forbid()
        with self._lock:
            self._asking += 1
            nobody_else = self._asking == 1
        try:
            if not settings.COALESCE or (nobody_else and self.alone_if_nobody_else_asks):
                return alone()
            call = _Call(self, wish)
            self._await(call, seconds)
            if call.answer is not None:
                answer: A = call.answer
                return answer
            return left() if call.was_run else alone()
        finally:
            with self._lock:
                self._asking -= 1

    def _await(self, call: _Call, seconds: float) -> None:
        """Queue the call and wait until it is answered, or sent away to go alone."""
        worker = _working(self.context)
        if worker is None:
            return
        if worker.has_been_busy_for() > SLOW_SECONDS:
            worker.give_up_if_stuck()
            return
        if worker.queue.qsize() >= LONGEST_QUEUE:
            raise QueueFull(use_case=self.use_case)
        worker.queue.put(call)
        if worker.ended:
            # It may have looked at its queue for the last time before this call was in it.
            worker.send_away()
        if not call.answered.acquire(timeout=seconds):
            call.withdrawn = True
            worker.give_up_if_stuck()
            raise NotAnswered(use_case=self.use_case)


class _Call:
    """One caller's wish, and what became of it."""

    __slots__ = ("answer", "answered", "batch", "was_run", "wish", "withdrawn")

    def __init__(self, batch: Batch[Any, Any], wish: object) -> None:
        self.batch, self.wish = batch, wish
        self.answer: Any = None
        self.was_run = self.withdrawn = False
        # A plain lock is the cheapest thing that one thread waits for and another opens.
        self.answered = threading.Lock()
        self.answered.acquire()


class _Worker(threading.Thread):
    """The thread of one context: takes what waits, answers it, and leaves nobody waiting, however it ends."""

    def __init__(self, context: str) -> None:
        super().__init__(name=f"batches of {context}", daemon=True)
        self.context = context
        self.queue: SimpleQueue[_Call | None] = SimpleQueue()
        self.ended = False
        self.busy_since: float | None = None

    def run(self) -> None:
        try:
            self._take_own_connection()
            while not self.ended and (calls := self._take()):
                self.busy_since = time.monotonic()
                self._answer(calls)
                self.busy_since = None
        finally:
            self.ended = True
            self.send_away()
            connections.close_all()

    def give_up_if_stuck(self) -> None:
        """Leave a thread behind that hangs on a dead connection; the next caller starts another."""
        if self.has_been_busy_for() > STUCK_SECONDS:
            self.ended = True
            self.send_away()

    def has_been_busy_for(self) -> float:
        """Return how many seconds the transaction at work has taken so far; 0 between two."""
        since = self.busy_since
        return 0.0 if since is None else time.monotonic() - since

    def send_away(self) -> None:
        """Have everybody who waits go alone."""
        while True:
            try:
                call = self.queue.get_nowait()
            except Empty:
                return
            if call is not None:
                call.answered.release()

    def _take(self) -> list[_Call]:
        """Wait for a call, and return it with all that wait behind it; none once the thread is to end."""
        calls: list[_Call] = []
        try:
            call = self.queue.get(timeout=IDLE_SECONDS)
            while call is not None:
                calls.append(call)
                if len(calls) == LARGEST:
                    return calls
                call = self.queue.get_nowait()
        except Empty:
            return calls
        if calls:
            self.queue.put(None)  # First those who came before it was told to end.
        return calls

    def _answer(self, calls: Sequence[_Call]) -> None:
        WAITING.labels(self.context).set(self.queue.qsize())
        waiting: dict[Batch[Any, Any], dict[Hashable, _Call]] = {}
        try:
            for call in calls:
                if not call.withdrawn:
                    waiting.setdefault(call.batch, {}).setdefault(call.batch.key(call.wish), call)
            for batch, asked in waiting.items():
                self._run(batch, asked)
        finally:
            for call in calls:
                call.answered.release()

    def _run(self, batch: Batch[Any, Any], asked: Mapping[Hashable, _Call]) -> None:
        SIZES.labels(batch.use_case).observe(len(asked))
        try:
            answers = batch.run([call.wish for call in asked.values()])
        except Exception as error:  # noqa: BLE001  one wish of these breaks the others' batch: each finds out alone
            log.warning("batch.failed", use_case=batch.use_case, wishes=len(asked), error=repr(error))
            ALONE.labels(batch.use_case, "failed").inc(len(asked))
            self._drop_broken_connection()
            return
        for key, call in asked.items():
            call.was_run, call.answer = True, answers.get(key)
        if left := len(asked) - len(answers):
            ALONE.labels(batch.use_case, "left out").inc(left)

    def _take_own_connection(self) -> None:
        """Work on a connection outside of the pool, which is there for those who wait for this thread."""
        alias = transactions.alias_for(self.context)
        own = connections.create_connection(alias)
        options = {name: value for name, value in own.settings_dict["OPTIONS"].items() if name != "pool"}
        own.settings_dict = {**own.settings_dict, "OPTIONS": options, "CONN_MAX_AGE": None}
        connections[alias] = own

    def _drop_broken_connection(self) -> None:
        for connection in connections.all(initialized_only=True):
            connection.close_if_unusable_or_obsolete()


_batches: list[Batch[Any, Any]] = []
_workers: dict[str, _Worker] = {}
_workers_lock = threading.Lock()


def _working(context: str) -> _Worker | None:
    """Return this process's thread for a context, a new one where there is none; None where none can be started."""
    worker = _workers.get(context)
    if worker is not None and not worker.ended:
        return worker
    with _workers_lock:
        worker = _workers.get(context)
        if worker is None or worker.ended:
            worker = _Worker(context)
            try:
                worker.start()
            except RuntimeError:  # No more threads, or the interpreter is ending.
                return None
            _workers[context] = worker
        return worker


def stop() -> None:
    """Have every thread answer what waits, close its connection and end; the next caller starts a new one."""
    for worker in list(_workers.values()):
        worker.queue.put(None)
        worker.join(STOP_SECONDS)


def _begin_anew() -> None:
    """Forget the parent's threads in a child process: it has neither them nor those who wait for them."""
    global _workers_lock  # noqa: PLW0603  a thread of the parent may hold the old one
    _workers_lock = threading.Lock()
    _workers.clear()
    for batch in _batches:
        batch.begin_anew()


os.register_at_fork(after_in_child=_begin_anew)
atexit.register(stop)
