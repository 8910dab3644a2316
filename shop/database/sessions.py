"""Database sessions of threads that work for long: dropped once they are broken, and not asked each time whether they are."""

from __future__ import annotations

import select
from typing import Any

from django.db import close_old_connections, connections


def drop_broken_sessions() -> None:
    """Drop broken database sessions, so that what comes next gets ones that work, as Django does for each request.

    Django would ask each session (SELECT 1) each time; here only one is asked that has something to say.
    """
    close_old_connections()
    for connection in connections.all(initialized_only=True):
        if connection.connection is not None and is_quiet(connection.connection):
            vars(connection)["health_check_done"] = True


def is_quiet(session: Any) -> bool:
    """Return whether PostgreSQL has said nothing since the last answer: before a session ends, it says why."""
    if session.closed:
        return False
    poll = select.poll()
    poll.register(session.fileno(), select.POLLIN)
    return not poll.poll(0)
