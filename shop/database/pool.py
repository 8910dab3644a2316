"""The connections of a web process, shared by its threads: checked cheaply, replaced quickly when broken, never waited for forever.

What psycopg's pool does on its own account costs a round trip at each checkout, and after a restart of PostgreSQL it
hands out one broken connection after the other. See docs/adr/0014-connections-handed-back.md.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator
from contextlib import suppress
from time import monotonic
from typing import Any, TypeVar

import psycopg
from psycopg import errors
from psycopg_pool import ConnectionPool, PoolTimeout

from shop.database.sessions import is_quiet

# A connection that was used so lately, and whose socket says nothing, is not asked whether it lives.
FRESH_SECONDS = 10.0
CHECK_SECONDS = 1.0
# How long a request waits for a connection again that gave one back: its order is at work, its card perhaps charged.
GOES_ON_SECONDS = 15.0
POLL_SECONDS = 0.1
Answer = TypeVar("Answer")


class PooledConnection(psycopg.Connection[Any]):
    """A connection that gives a server up which does not answer for `answer_seconds`.

    The server's own statement_timeout ends a slow statement before; this is for one that hangs, or whose network does.
    """

    answer_seconds: float | None = None
    idle_since: float = -FRESH_SECONDS

    def wait(
        self, gen: Generator[Any, Any, Answer], interval: float = POLL_SECONDS, timeout: float | None = None
    ) -> Answer:
        """Wait as psycopg does, but not for ever. Raises: OperationalError, with the connection closed."""
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.answer_seconds)
        except errors._WaitTimeout as silence:  # noqa: SLF001  what the documented `timeout` raises
            self.close()
            raise psycopg.OperationalError(f"PostgreSQL did not answer for {self.answer_seconds} s") from silence


class _Queue(deque[Any]):
    """Who waits for a connection, first come first served: those in the middle of their work before those that begin.

    A deque to psycopg's pool, which appends, takes from the left and counts; the calls come under the pool's lock.
    """

    def __init__(self) -> None:
        super().__init__()
        self.caller = threading.local()
        self._ahead = 0

    def append(self, waiting: Any) -> None:
        """Add one at the end of those of its kind."""
        self.caller.waiting = waiting
        if getattr(self.caller, "goes_on", False):
            self.insert(self._ahead, waiting)
            self._ahead += 1
        else:
            super().append(waiting)

    def popleft(self) -> Any:
        """Take the first."""
        self._ahead = max(0, self._ahead - 1)
        return super().popleft()

    def leave(self) -> None:
        """Take this thread out, which waits no more."""
        if (waiting := getattr(self.caller, "waiting", None)) is None:
            return
        # Another error than the one that was raised, whose traceback leads back to it.
        waiting.error = PoolTimeout()
        with suppress(ValueError):  # taken already
            place = self.index(waiting)
            del self[place]
            self._ahead -= place < self._ahead

    def clear(self) -> None:
        """Forget all."""
        self._ahead = 0
        super().clear()


class _Idle(deque[Any]):
    """The idle connections, the one used last in front: a session that has planned its statements is used again."""

    def append(self, connection: Any) -> None:
        """Put one in front, where the pool takes from."""
        self.appendleft(connection)


class Pool(ConnectionPool[PooledConnection]):
    """psycopg's pool, with another order of waiting and of use, of connections that remember since when they are idle."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._waiting: _Queue = _Queue()
        self._pool: _Idle = _Idle()

    def _shrink_pool(self) -> None:
        """Close the connection that has been idle for longest, where psycopg finds one too many."""
        with self._lock:
            self._pool.rotate(1)
        super()._shrink_pool()

    def getconn(self, timeout: float | None = None) -> PooledConnection:
        """Take a connection. Raises: PoolTimeout.

        psycopg's pool keeps whoever gave up in its queue until a connection comes, and with each the error, and with
        that all that its thread was at: in an outage the memory of a process grew with every request.
        """
        try:
            return super().getconn(timeout)
        except PoolTimeout:
            with self._lock:
                self._waiting.leave()
            raise
        finally:
            self._waiting.caller.waiting = None

    def getconn_to_go_on(self) -> PooledConnection:
        """Take a connection ahead of whoever begins, and wait for it longer. Raises: PoolTimeout."""
        self._waiting.caller.goes_on = True
        try:
            return self.getconn(GOES_ON_SECONDS)
        finally:
            self._waiting.caller.goes_on = False

    def putconn(self, conn: PooledConnection) -> None:
        """Take a connection back."""
        conn.idle_since = monotonic()
        super().putconn(conn)

    @staticmethod
    def check_connection(conn: PooledConnection) -> None:
        """Ask whether a connection lives, unless it did a moment ago and its socket is quiet.

        Once one turns out dead, the idle ones are all replaced: what cut it off has mostly cut them all.
        Raises: OperationalError.
        """
        if monotonic() - conn.idle_since < FRESH_SECONDS and is_quiet(conn):
            return
        patience, conn.answer_seconds = conn.answer_seconds, CHECK_SECONDS
        try:
            ConnectionPool.check_connection(conn)
        except psycopg.Error:
            if isinstance(pool := conn._pool, Pool):  # noqa: SLF001  the only way from a connection to its pool
                pool.drain()
            raise
        finally:
            conn.answer_seconds = patience
