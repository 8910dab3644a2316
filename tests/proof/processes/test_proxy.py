"""The proxy does to connections what it says, and nothing else."""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Iterator

import pytest

from tests.proof.processes.proxy import HOST, Proxy

SOON = 60.0
NOT_YET = 0.2


class _Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while piece := self.request.recv(1024):
            self.request.sendall(piece)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A reset is what the test wanted."""


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with _Server((HOST, 0), _Echo) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        made = Proxy(lambda: server.server_address[1])
        yield made
        made.close()
        server.shutdown()
        thread.join()


@pytest.fixture
def client(proxy: Proxy) -> Iterator[socket.socket]:
    with socket.create_connection((HOST, proxy.port), timeout=SOON) as connection:
        yield connection


def echoed(client: socket.socket, said: bytes = b"hello") -> bytes:
    client.sendall(said)
    heard = b""
    while len(heard) < len(said):
        heard += client.recv(1024)
    return heard


def test_it_forwards_both_ways_and_passes_the_end_on(proxy: Proxy, client: socket.socket):
    assert echoed(client, b"x" * 200_000) == b"x" * 200_000

    client.shutdown(socket.SHUT_WR)

    assert client.recv(1024) == b""


def test_reset_breaks_every_connection_and_no_later_one(proxy: Proxy, client: socket.socket):
    echoed(client)

    assert proxy.reset() == 1

    with pytest.raises(ConnectionResetError):
        client.recv(1024)
    with socket.create_connection((HOST, proxy.port), timeout=SOON) as later:
        assert echoed(later) == b"hello"


def test_frozen_connections_stand_and_hear_nothing_until_thawed(proxy: Proxy, client: socket.socket):
    echoed(client)
    proxy.freeze()

    client.sendall(b"held")
    with socket.create_connection((HOST, proxy.port), timeout=SOON) as later:
        later.sendall(b"also held")
        for each in (client, later):
            each.settimeout(NOT_YET)
            with pytest.raises(TimeoutError):
                each.recv(1024)
        proxy.thaw()

        for each, held in ((client, b"held"), (later, b"also held")):
            each.settimeout(SOON)
            assert each.recv(1024) == held


def test_a_connection_that_is_reset_while_it_is_frozen_ends(proxy: Proxy, client: socket.socket):
    echoed(client)
    proxy.freeze()
    client.sendall(b"held")

    proxy.reset()

    with pytest.raises(ConnectionResetError):
        client.recv(1024)


def test_refused_connections_are_reset_until_healed(proxy: Proxy, client: socket.socket):
    echoed(client)
    proxy.refuse()

    with pytest.raises(ConnectionResetError):
        client.recv(1024)
    with pytest.raises(ConnectionError), socket.create_connection((HOST, proxy.port), timeout=SOON) as later:
        echoed(later)
    proxy.heal()

    with socket.create_connection((HOST, proxy.port), timeout=SOON) as later:
        assert echoed(later) == b"hello"


def test_a_delay_holds_every_piece(proxy: Proxy, client: socket.socket):
    proxy.delay(0.1)
    began = time.monotonic()

    assert echoed(client) == b"hello"

    assert time.monotonic() - began >= 0.2
