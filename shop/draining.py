"""gunicorn's worker as the shop runs it: when it stops, it stops listening first, and then ends what it has begun.

Whoever is told to come again later does not come to the same process only because a connection to it is open.
"""

from __future__ import annotations

import contextlib
import errno
import math
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterable
from functools import cached_property
from queue import SimpleQueue
from typing import Any, TypeVar

from gunicorn import util
from gunicorn.workers.gthread import ThreadWorker

_IPV4_INSIDE_IPV6 = "::ffff:"

Answer = TypeVar("Answer")
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def closing_behind_refusals(application: Application) -> Application:
    """Return the application, for gunicorn, with the connection closed behind each answer 503 or 413.

    Connections are spread over processes once, when they are opened. Those of a process that turns orders away would bring
    each of them back to it, while another process has room. Behind a 413 no request thread reads the rest of the body.
    """

    def serve(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        def start(status: str, *rest: Any) -> Any:
            if status.startswith(("413", "503")):
                start_response.__self__.force_close()  # type: ignore[attr-defined]  # a method of gunicorn's Response
            return start_response(status, *rest)

        return application(environ, start)

    return serve


class Arriving(socket.socket):
    """A client's connection, of which nothing is waited for without end: a request arrives in time, and an answer is taken in time.

    gunicorn has no such limit: a client that sends half a request, or a byte now and then, keeps a thread. Behind a gateway
    that reads requests whole before it passes them on nobody meets these.
    """

    WAIT_SECONDS = 10.0
    WHOLE_SECONDS = 60.0

    _ends = math.inf

    def setblocking(self, flag: bool) -> None:
        """Have the next request arrive from now on: gunicorn calls this before it reads one."""
        self._ends = time.monotonic() + self.WHOLE_SECONDS
        super().setblocking(flag)

    def recv(self, *arguments: Any) -> bytes:
        """Read. Raises: ConnectionResetError where the client says nothing for too long, or is not done in time."""
        return self._in_time(super().recv, min(self.WAIT_SECONDS, self._ends - time.monotonic()), *arguments)

    def sendall(self, *arguments: Any) -> None:
        """Write. Raises: ConnectionResetError where the client does not take it in time."""
        self._in_time(super().sendall, self.WHOLE_SECONDS, *arguments)

    def _in_time(self, call: Callable[..., Answer], most: float, *arguments: Any) -> Answer:
        outer = self.gettimeout()
        if outer == 0:
            return call(*arguments)
        gone = ConnectionResetError(errno.ECONNRESET, "the client took too long")
        if most <= 0:
            raise gone
        self.settimeout(most if outer is None else min(outer, most))
        try:
            return call(*arguments)
        except TimeoutError:
            raise gone from None
        finally:
            self.settimeout(outer)


class _Closing:
    """Closes connections one after the other, several at the same time, in threads that the end of the process does not wait for.

    A client that still sends is reset where its connection is closed, and does not read its answer. So what it sends is read
    and thrown away first, within limits (RFC 9112, section 9.6).
    """

    THREADS = 4
    MOST_SECONDS = 2.0
    MOST_BYTES = 16 * 1024 * 1024

    def __init__(self) -> None:
        self._waiting: SimpleQueue[Any] = SimpleQueue()
        for _each in range(self.THREADS):
            threading.Thread(target=self._run, name="closing", daemon=True).start()

    def close(self, conn: Any) -> None:
        """Close a connection soon; its answer is sent already."""
        # What the client would wait for is said at once, however many wait to be closed.
        with contextlib.suppress(OSError):
            conn.sock.shutdown(socket.SHUT_WR)
        self._waiting.put(conn)

    def _run(self) -> None:
        while True:
            conn = self._waiting.get()
            with contextlib.suppress(OSError):
                conn.sock.setblocking(flag=True)
                limits = {"timeout": self.MOST_SECONDS, "max_drain": self.MOST_BYTES}
                util.close_graceful(conn.sock, **limits)  # type: ignore[no-untyped-call]


class DrainingWorker(ThreadWorker):
    """A worker with threads that closes its listening sockets as soon as it is told to stop.

    gunicorn's own keeps them open, and accepts from them no more, until its last request is answered: meanwhile the kernel
    takes connections for it. Whoever got one sends its request, waits, and is hung up on; a gateway may not send a POST
    again. Where nothing listens the gateway asks another replica at once.
    """

    sockets: list[Any]
    wsgi: Application

    def load_wsgi(self) -> None:
        """Load the application, which gives a connection up behind an answer 503 or 413."""
        super().load_wsgi()  # type: ignore[no-untyped-call]
        self.wsgi = closing_behind_refusals(self.wsgi)

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

    def finish_request(self, conn: Any, fs: Any) -> None:
        """Keep the connection of an answer, or have it closed by a thread of its own.

        Closing waits up to two seconds for the client to close, too, so that an answer whose request was not read to its end is
        not lost. gunicorn would wait here, where every request of the process is accepted and handed on. A process that stops
        accepts nothing, and waits.
        """
        if self.alive and not fs.cancelled() and fs.exception() is None and not fs.result():
            self.nr_conns -= 1
            self._closing.close(conn)
            return
        super().finish_request(conn, fs)  # type: ignore[no-untyped-call]

    @cached_property
    def _closing(self) -> _Closing:
        return _Closing()

    def enqueue_req(self, conn: Any) -> None:
        """Work on a connection, whose client has not for ever. An IPv4 caller on a socket of both families is named by its IPv4 address."""
        if not isinstance(conn.sock, Arriving):
            conn.sock = Arriving(fileno=conn.sock.detach())
        address, *rest = conn.client if isinstance(conn.client, tuple) else ("",)
        if address.startswith(_IPV4_INSIDE_IPV6):
            conn.client = (address.removeprefix(_IPV4_INSIDE_IPV6), rest[0])
        super().enqueue_req(conn)  # type: ignore[no-untyped-call]
