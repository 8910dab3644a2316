"""Who else is in the test databases: the sessions of threads and processes that a test has started."""

from __future__ import annotations

import time

from django.db import connections
from django.db.backends.utils import CursorWrapper
from psycopg.pq import TransactionStatus

PATIENCE_SECONDS = 60.0


def waiting_for(cursor: CursorWrapper) -> int:
    """Return how many sessions wait for what the cursor's transaction has locked."""
    cursor.execute(
        "SELECT DISTINCT pid FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
    )
    return int(cursor.rowcount)


def waiting_at_all(cursor: CursorWrapper) -> int:
    """Return how many sessions of the cursor's database wait for a lock, whoever has it."""
    # Not of pg_stat_activity: a transaction sees the sessions that there were when it first looked.
    cursor.execute(
        "SELECT DISTINCT pid FROM pg_locks WHERE NOT granted AND pid IN (SELECT pid FROM pg_locks WHERE database ="
        " (SELECT oid FROM pg_database WHERE datname = current_database()))"
    )
    return int(cursor.rowcount)


def await_no_other_session(trouble: str) -> None:
    """Wait until this thread is alone in every database; the server notices a killed client only a little later.

    Raises: AssertionError that says `trouble` and what the sessions did last, after a minute.
    """
    for alias, databases in _servers().items():
        deadline = time.monotonic() + PATIENCE_SECONDS
        while others := _other_sessions(alias, databases):
            assert time.monotonic() < deadline, f"{trouble}:\n" + "\n".join(others)


def _servers() -> dict[str, list[str]]:
    """Return one alias for each server, with the databases on it: with five databases it is asked once, too."""
    found: dict[tuple[str, str], tuple[str, list[str]]] = {}
    for alias in connections:
        where = connections[alias].settings_dict
        _first, databases = found.setdefault((where["HOST"], str(where["PORT"])), (alias, []))
        databases.append(where["NAME"])
    return dict(found.values())


def _other_sessions(alias: str, databases: list[str]) -> list[str]:
    with connections[alias].cursor() as cursor:
        own = [each.connection.info.backend_pid for each in connections.all(initialized_only=True) if each.connection]
        cursor.execute(
            "SELECT concat_ws(' ', pid, datname, application_name, state, wait_event, 'since', backend_start, 'last:', query)"
            " FROM pg_stat_activity WHERE datname = ANY(%s) AND backend_type = 'client backend' AND pid <> ALL(%s)",
            [databases, own],
        )
        return [line for (line,) in cursor.fetchall()]


def close_interrupted_sessions() -> None:
    """Close the connections of a test that ran out of time in the middle of a query: its failure is its own."""
    for connection in connections.all(initialized_only=True):
        session = connection.connection
        if session is not None and session.pgconn.transaction_status != TransactionStatus.IDLE:
            connection.in_atomic_block = False
            connection.close()
