"""Sockets that keep a deadline: whatever is said on them is over in time, however slowly the other end speaks.

A socket's own timeout holds for each wait alone: a server that sends a byte every few seconds never meets it. These look at
the limit of the thread before each wait (`within`). The look-up of a host's name is not theirs: the resolver has limits of its own.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class _Current(threading.local):
    limit: within | None = None


_current = _Current()


class within:  # noqa: N801  read as a statement: `with within(3.0):`
    """Have all that this thread says on sockets of this module be over in `seconds`, and each wait of it in `each`.

    Inside of another limit the earlier end holds. What is not over by then ends with TimeoutError.
    """

    def __init__(self, seconds: float, *, each: float | None = None) -> None:
        self.seconds, self._each = seconds, each

    def __enter__(self) -> None:
        self._outer = _current.limit
        self.ends = time.monotonic() + self.seconds
        if self._outer is None or self.ends < self._outer.ends:
            _current.limit = self

    def __exit__(self, *_error: object) -> None:
        _current.limit = self._outer

    def left(self) -> float:
        """Return how many seconds the next wait may take. Raises: TimeoutError where none is left."""
        left = self.ends - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"not over within {self.seconds:g} s")
        return left if self._each is None else min(left, self._each)


def connect(
    address: tuple[str, int], _timeout: object = None, source_address: tuple[str, int] | None = None
) -> socket.socket:
    """Open a connection as `socket.create_connection` does, by the limit of this thread.

    Each of a host's addresses gets its share of the time that is left. Raises: OSError of the last address.
    """
    found = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)
    failure = OSError(f"no address of {address[0]}")
    for number, (family, kind, protocol, _name, where) in enumerate(found):
        made = _Plain(family, kind, protocol)
        try:
            if _current.limit is not None:
                made.settimeout(_current.limit.left() / (len(found) - number))
            if source_address is not None:
                made.bind(source_address)
            made.connect(where)
        except OSError as error:
            made.close()
            failure = error
        else:
            return made
    try:
        raise failure
    finally:
        del failure  # its traceback holds this frame


def encrypted(context: ssl.SSLContext) -> ssl.SSLContext:
    """Have this context wrap connections in sockets that keep deadlines, too; return it."""
    context.sslsocket_class = _Encrypted
    return context


class _InTime(socket.socket):
    """What http.client and smtplib call on a socket, by the limit of the thread; without one, as ever."""

    def recv_into(self, *arguments: Any, **named: Any) -> int:
        """Read."""
        return _by_limit(self, super().recv_into, *arguments, **named)

    def send(self, *arguments: Any, **named: Any) -> int:
        """Write some."""
        return _by_limit(self, super().send, *arguments, **named)

    def sendall(self, *arguments: Any, **named: Any) -> None:
        """Write all."""
        _by_limit(self, super().sendall, *arguments, **named)


class _Plain(_InTime):
    """A connection, until it is encrypted."""


class _Encrypted(_InTime, ssl.SSLSocket):
    """The same over TLS."""

    def do_handshake(self, block: bool = False) -> None:
        """Agree on keys."""
        _by_limit(self, super().do_handshake, block)


def _by_limit(waits: socket.socket, call: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
    """Return what the call returns. Raises: TimeoutError that names the limit where that is over."""
    if (limit := _current.limit) is None:
        return call(*arguments, **named)
    waits.settimeout(limit.left())
    try:
        return call(*arguments, **named)
    except TimeoutError:
        limit.left()
        raise
