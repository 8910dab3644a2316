"""A client that sends half a request, too much, or takes no answer, is not waited for without end."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from shop.draining import Arriving, _Closing


@pytest.fixture
def ends() -> Iterator[tuple[Arriving, socket.socket]]:
    """Return both ends of a connection: the server's, which begins to read a request, and the client's."""
    one, other = socket.socketpair()
    served = Arriving(fileno=one.detach())
    served.setblocking(flag=True)
    with served, other:
        yield served, other


def test_what_has_come_is_read_and_the_end_of_a_client_is_no_error(ends: tuple[Arriving, socket.socket]):
    served, client = ends
    client.sendall(b"POST /")

    assert served.recv(100) == b"POST /"

    client.close()
    assert served.recv(100) == b""


def test_a_client_that_says_nothing_is_given_up(ends: tuple[Arriving, socket.socket], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Arriving, "WAIT_SECONDS", 0.01)

    with pytest.raises(ConnectionResetError):
        ends[0].recv(100)


def test_a_client_that_drips_is_given_up_though_there_is_always_something_to_read(
    ends: tuple[Arriving, socket.socket], monkeypatch: pytest.MonkeyPatch
):
    served, client = ends
    began = time.monotonic()
    client.sendall(b"ab")
    assert served.recv(1) == b"a"

    monkeypatch.setattr("shop.draining.time.monotonic", lambda: began + Arriving.WHOLE_SECONDS + 1)
    with pytest.raises(ConnectionResetError):
        served.recv(1)

    served.setblocking(flag=True)  # the next request has its own time
    assert served.recv(1) == b"b"


def test_a_client_that_takes_no_answer_is_given_up(
    ends: tuple[Arriving, socket.socket], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Arriving, "WHOLE_SECONDS", 0.01)

    with pytest.raises(ConnectionResetError):
        ends[0].sendall(b"x" * 10_000_000)


def test_a_socket_that_is_asked_not_to_wait_does_not(ends: tuple[Arriving, socket.socket]):
    ends[0].setblocking(flag=False)

    with pytest.raises(BlockingIOError):
        ends[0].recv(100)


def test_a_client_that_sends_too_much_still_reads_its_answer(
    ends: tuple[Arriving, socket.socket], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(_Closing, "MOST_SECONDS", 60.0)
    served, client = ends
    served.sendall(b"HTTP/1.1 413")

    _Closing().close(SimpleNamespace(sock=served))

    client.sendall(b"x" * 3_000_000)
    client.shutdown(socket.SHUT_WR)
    assert client.recv(100) == b"HTTP/1.1 413"


def test_a_client_that_sends_without_end_is_given_up(
    ends: tuple[Arriving, socket.socket], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(_Closing, "MOST_SECONDS", 60.0)
    monkeypatch.setattr(_Closing, "MOST_BYTES", 100_000)
    served, client = ends

    _Closing().close(SimpleNamespace(sock=served))

    with pytest.raises(OSError, match=r"Broken pipe|reset"):
        client.sendall(b"x" * 3_000_000)
