"""Questions to the databases that must not hang their caller: asked on a thread and on connections of their own.

What a probe or a scrape asks takes no connection from the pool, so it is answered while the pool is exhausted; and it
is waited for only so long, so that a database that hangs costs an answer, never a pod.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from time import monotonic
from typing import Any, TypeVar

import psycopg
from django.db import connections

CONNECT_SECONDS = 2
Answer = TypeVar("Answer")


class Unanswered(Exception):
    """The answer did not come in time, or another question still waits for its own."""


class Apart:
    """One thread that asks, one question at a time."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._turn = threading.Lock()
        self._thread: ThreadPoolExecutor | None = None
        self._own: list[Any] = []

    def ask(self, question: Callable[[], Answer], *, within: float) -> Answer:
        """Return the answer to a question. Raises: Unanswered after `within` seconds; or what the question raises."""
        until = monotonic() + within
        if not self._turn.acquire(timeout=within):
            raise Unanswered(f"{self._name} still waits for another answer")
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix=self._name)
        asked = self._thread.submit(self._ask, question)
        # The next question's turn comes once this one has ended, however late.
        asked.add_done_callback(lambda _asked: self._turn.release())
        try:
            return asked.result(max(0.0, until - monotonic()))
        except NotYet:
            if asked.done():
                raise
            self._cut_off()
            raise Unanswered(f"no answer within {within} s") from None

    def _ask(self, question: Callable[[], Answer]) -> Answer:
        self._own = [_unpooled(alias) for alias in connections]
        try:
            return question()
        finally:
            for connection in self._own:
                if not connection.settings_dict.get("KEEPS_APART"):
                    connection.close()

    def _cut_off(self) -> None:
        """Shut the sockets down, so that the thread does not wait for ever: psycopg then raises at once."""
        for connection in self._own:
            if (raw := connection.connection) is None:
                continue
            # It may be closed at this very moment; its number then belongs to somebody else.
            with contextlib.suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(raw.fileno())) as end:
                if not raw.closed:
                    end.shutdown(socket.SHUT_RDWR)


def _unpooled(alias: str) -> Any:
    """Return this thread's connection of an alias: outside the pool where there is one, and then kept."""
    connection = connections[alias]
    if connection.settings_dict["OPTIONS"].get("pool"):
        # A copy of the settings with the connection: the others go on using the pool.
        connection = connections[alias] = connection.copy()
        options = connection.settings_dict["OPTIONS"]
        del options["pool"]
        options["connect_timeout"] = CONNECT_SECONDS
        connection.settings_dict |= {"CONN_MAX_AGE": None, "KEEPS_APART": True}
    return connection
