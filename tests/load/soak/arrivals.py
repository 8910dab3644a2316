"""Customers who arrive at a steady rate, whatever the shop does, and come again a few times where it sends them away."""

from __future__ import annotations

import asyncio
import itertools
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

from tests.load import generator

PATIENCE_SECONDS = 20.0
# Sooner than the shop's own server closes what is idle (docker/gunicorn.conf.py).
IDLE_SECONDS = 30.0
# A customer who was sent away so often in one purchase leaves.
MOST_TRIES = 5
CONNECT_ERRORS = (OSError, EOFError, TimeoutError)


@dataclass(frozen=True)
class Purchase:
    """What became of one customer's purchase. Times are those of time.monotonic(), seconds.

    `latency` is of the answer that ended it; `statuses` are all answers in their order, 0 where none came.
    """

    began: float
    ended: float
    latency: float
    statuses: tuple[int, ...]

    @property
    def is_confirmed(self) -> bool:
        return self.statuses[-1] == 201

    @property
    def is_left_to_the_shop(self) -> bool:
        """Return whether the last answer says that the order is on record and goes on without the customer."""
        return self.statuses[-1] == 202


@dataclass
class Arrivals:
    """A thread that has customers arrive; `purchases` are those that have ended."""

    url: str
    tokens: list[str]
    per_second: float
    purchases: list[Purchase] = field(default_factory=list)
    under_way: int = 0

    def __enter__(self) -> Self:
        self._ended = threading.Event()
        self._customers = itertools.cycle(self.tokens)
        self._idle: list[tuple[float, generator.Connection]] = []
        self._thread = threading.Thread(target=lambda: asyncio.run(self._arrive()), name="arrivals")
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._thread.join()

    def answers(self) -> Counter[int]:
        """Return how many answers of each status there were; 0 stands for none."""
        return Counter(status for purchase in self.purchases for status in purchase.statuses)

    async def _arrive(self) -> None:
        purchases: set[asyncio.Task[None]] = set()
        due = time.monotonic()
        while not self._ended.is_set():
            if (wait := due - time.monotonic()) > 0:
                await asyncio.sleep(min(wait, 0.2))
                continue
            due += random.expovariate(self.per_second)
            purchase = asyncio.create_task(self._buy())
            purchases.add(purchase)
            purchase.add_done_callback(purchases.discard)
        await asyncio.gather(*purchases)
        for _since, (_reader, writer) in self._idle:
            writer.close()

    async def _buy(self) -> None:
        """Place one order; come again with the same key where the shop says so, or does not answer."""
        request, began = self._request(), time.monotonic()
        statuses: list[int] = []
        self.under_way += 1
        while True:
            asked = time.monotonic()
            status, wait = await self._ask(request)
            statuses.append(status)
            if status not in (0, *generator.BUSY) or len(statuses) == MOST_TRIES or self._ended.is_set():
                break
            await asyncio.sleep(wait)
        self.under_way -= 1
        now = time.monotonic()
        self.purchases.append(Purchase(began, now, now - asked, tuple(statuses)))

    async def _ask(self, request: bytes) -> tuple[int, float]:
        """Return the status and Retry-After in seconds; 0 where no answer comes."""
        connection = None
        try:
            connection = await self._connection()
            status, head, _body = await asyncio.wait_for(generator._exchange(connection, request), PATIENCE_SECONDS)
        except CONNECT_ERRORS:
            if connection is not None:
                connection[1].close()
            return 0, 1.0
        if "connection: close" in head:
            connection[1].close()
        else:
            self._idle.append((time.monotonic(), connection))
        return status, float(generator._header(head, "retry-after") or 1)

    async def _connection(self) -> generator.Connection:
        """Return the connection that was used last, or a new one where that is long ago."""
        while self._idle:
            since, connection = self._idle.pop()
            if time.monotonic() - since < IDLE_SECONDS:
                return connection
            connection[1].close()
        at = urlsplit(self.url)
        return await asyncio.open_connection(at.hostname, at.port)

    def _request(self) -> bytes:
        return generator.order_request(self.url, token=next(self._customers), body=generator.order_body(hot=False))
