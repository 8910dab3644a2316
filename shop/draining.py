"""gunicorn's worker as the shop runs it: when it stops, it stops listening first, and then ends what it has begun."""

from __future__ import annotations

import contextlib
import selectors
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

_IPV4_INSIDE_IPV6 = "::ffff:"


class DrainingWorker(ThreadWorker):
    """A worker with threads that closes its listening sockets as soon as it is told to stop.

    gunicorn's own keeps them open, and accepts from them no more, until its last request is answered: meanwhile the kernel
    takes connections for it. Whoever got one sends its request, waits, and is hung up on; a gateway may not send a POST
    again. Where nothing listens the gateway asks another replica at once.
    """

    sockets: list[Any]

    def set_accept_enabled(self, enabled: bool) -> None:
        """Begin or end accepting; at the end of the process, take what waits to be accepted and close the sockets."""
        super().set_accept_enabled(enabled)  # type: ignore[no-untyped-call]
        if self.alive or enabled:
            return
        for listener in self.sockets:
            # Connections that are established already. An error of one is that one's end.
            with selectors.DefaultSelector() as waiting, contextlib.suppress(OSError):
                waiting.register(listener, selectors.EVENT_READ)
                while waiting.select(0):
                    self.accept(listener)  # type: ignore[no-untyped-call]
            listener.close()
        self.sockets = []

    def enqueue_req(self, conn: Any) -> None:
        """Work on a connection. An IPv4 caller on a socket of both families is named by its IPv4 address."""
        address, *rest = conn.client if isinstance(conn.client, tuple) else ("",)
        if address.startswith(_IPV4_INSIDE_IPV6):
            conn.client = (address.removeprefix(_IPV4_INSIDE_IPV6), rest[0])
        super().enqueue_req(conn)  # type: ignore[no-untyped-call]
