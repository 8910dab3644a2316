"""Tells a database that others keep busy from one that is away: only the second is a dependency that failed."""

from __future__ import annotations

from psycopg import errors
from psycopg_pool import PoolTimeout, TooManyRequests

_NO_CONNECTION: tuple[type[Exception], ...] = (PoolTimeout, TooManyRequests)
CONTENTION: tuple[type[Exception], ...] = (
    errors.LockNotAvailable,
    errors.DeadlockDetected,
    errors.SerializationFailure,
    *_NO_CONNECTION,
)


def is_contention(error: BaseException) -> bool:
    """Return whether one of our own transactions stood in the way: a lock, a deadlock, or an exhausted pool.

    Django's error has psycopg's as its cause. A statement that ran into its time limit is not contention: the database
    may be ill. Wait for locks with a `lock_timeout` below the `statement_timeout`, so that it is the lock that is told.
    """
    return isinstance(error, CONTENTION) or isinstance(error.__cause__, CONTENTION)


def lacks_connection(error: BaseException) -> bool:
    """Return whether no connection of the pool came free in time: then nothing was asked, and nothing is said about any row."""
    return isinstance(error, _NO_CONNECTION) or isinstance(error.__cause__, _NO_CONNECTION)
