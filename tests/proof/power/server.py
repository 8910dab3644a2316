"""A PostgreSQL whose power can be cut."""

from __future__ import annotations

from django.db import connections

from local.postgres import EmbeddedPostgres


class Power:
    """The server's power: cut, it is gone with all that was in its memory, and comes back with what is on the disk."""

    def __init__(self, cluster: EmbeddedPostgres) -> None:
        self._cluster = cluster
        self.cuts = 0

    def cut(self) -> None:
        """Kill the server and start it anew. Connections that are open are dead."""
        self._cluster.kill()
        self._cluster.start()
        self.cuts += 1

    def end(self) -> None:
        """Cut it once nothing is under way any more."""
        self.cut()
        self.forget_connections()

    def forget_connections(self) -> None:
        """Close this thread's connections, as the end of a request does with dead ones."""
        connections.close_all()
