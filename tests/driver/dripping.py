"""Servers that drip: each byte comes before any wait for one byte ends, and the answer never ends."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence

# Between two bytes: far below what a test lets one wait take, far above nothing.
PAUSE_SECONDS = 0.01
# A client without a deadline is let go after so long, so that its test fails and ends.
LETS_GO_SECONDS = 10.0


class DrippingServer:
    """Answers each connection with the lines of `script`, one for each line it is told (the first for none), then drips.

    It drips the bytes of `drips`, one at a time, the last of them again and again.
    `tls`: the first byte of a connection, and all that follow, are encrypted.
    """

    def __init__(self, script: Sequence[bytes], drips: bytes = b"-", *, tls: ssl.SSLContext | None = None) -> None:
        self._script, self._drips, self._tls = list(script), drips, tls
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._over = threading.Event()
        self.port = self._listening.getsockname()[1]
        self.told: list[bytes] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Drip no more."""
        self._over.set()
        self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _from = self._listening.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as open_ones:
            open_ones.enter_context(connection)
            if self._tls is not None:
                connection = open_ones.enter_context(self._tls.wrap_socket(connection, server_side=True))
            heard = connection.makefile("rb")
            for number, line in enumerate(self._script):
                if number:
                    self.told.append(heard.readline())
                connection.sendall(line)
            if self._script:
                self.told.append(heard.readline())
            for number in range(int(LETS_GO_SECONDS / PAUSE_SECONDS)):
                if self._over.wait(PAUSE_SECONDS):
                    return
                connection.sendall(self._drips[number : number + 1] or self._drips[-1:])


@contextlib.contextmanager
def dripping(
    script: Sequence[bytes] = (), drips: bytes = b"-", *, tls: ssl.SSLContext | None = None
) -> Iterator[DrippingServer]:
    """Run a server that drips."""
    server = DrippingServer(script, drips, tls=tls)
    try:
        yield server
    finally:
        server.close()
