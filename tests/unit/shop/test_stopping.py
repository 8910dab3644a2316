"""A web process that stops answers whoever has connected already, and listens no more."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from gunicorn.workers.gthread import ThreadWorker

from shop.draining import DrainingWorker


def test_a_process_that_stops_takes_the_connections_that_wait_to_be_accepted(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ThreadWorker, "set_accept_enabled", lambda _worker, _enabled: None)
    worker: Any = DrainingWorker.__new__(DrainingWorker)
    listener = socket.create_server(("127.0.0.1", 0))
    accepted: list[socket.socket] = []
    worker.alive, worker.sockets = False, [listener]
    worker.accept = lambda waiting: accepted.append(waiting.accept()[0])
    clients = [socket.create_connection(listener.getsockname()) for _each in range(3)]

    worker.set_accept_enabled(False)

    assert len(accepted) == 3
    assert worker.sockets == []
    assert listener.fileno() == -1
    for each in (*clients, *accepted):
        each.close()
