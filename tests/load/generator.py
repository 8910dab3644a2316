"""The load: clients over kept-alive connections, each with one request under way, on one thread of this process."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from tests.load import people

PATIENCE_SECONDS = 60.0
# Answers that say when to come again.
BUSY = (429, 503)
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
ADDRESS = {
    "name": "Ada Example",
    "line1": "1 Harbor Street",
    "city": "Lisbon",
    "postal_code": "1100-001",
    "country": "PT",
}


@dataclass
class Outcome:
    """What the clients saw. `seconds` goes from the first request to the last answer.

    `latencies` are of good answers; `waits` of orders, from their first request, those that were turned away included.
    """

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    samples: dict[int, str] = field(default_factory=dict)

    def done(self, status: int = 201) -> int:
        """Return how many were answered with that status."""
        return self.statuses[status]

    def percentile(self, share: float) -> float:
        """Return a percentile of the time to a good answer, in seconds; nan without one."""
        return percentile(self.latencies, share)


def percentile(values: list[float], share: float) -> float:
    """Return a percentile; nan of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def order_body(*, hot: bool, lines: int = 1) -> bytes:
    """Return the body of an order for one of each of so many products."""
    chosen = [people.HOT] if hot else [f"SPREAD-{n}" for n in random.sample(range(people.SKUS), lines)]
    return json.dumps(
        {
            "lines": [{"sku": sku, "quantity": 1} for sku in chosen],
            "payment_method": "pm_card_visa",
            "shipping_address": ADDRESS,
        }
    ).encode()


def order_request(url: str, *, token: str, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    """Return the request of an order, under a key of its own."""
    told = {
        "Host": urlsplit(url).netloc,
        "X-Session-Token": token,
        "Idempotency-Key": str(uuid4()),
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        **(headers or {}),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"POST /api/v1/orders HTTP/1.1\r\n{head}\r\n".encode() + body


@dataclass
class Load:
    """Orders to be placed: where, by whom, of what, and how much of it."""

    url: str
    tokens: list[str]
    clients: int
    seconds: float
    hot: bool = False
    lines: int = 1
    most: int | None = None
    think_seconds: float = 0.0
    good: int = 201
    headers: dict[str, str] = field(default_factory=dict)

    def run(self) -> Outcome:
        """Run every client to its end; every request that begins is waited for."""
        self._outcome = Outcome()
        self._customers, self._budget = itertools.cycle(self.tokens), itertools.count()
        began = time.monotonic()
        self._deadline = began + self.seconds
        asyncio.run(self._all_clients())
        self._outcome.seconds = time.monotonic() - began
        return self._outcome

    async def _all_clients(self) -> None:
        await asyncio.gather(*(self._client(number) for number in range(self.clients)))

    async def _client(self, number: int) -> None:
        """Place one order after the other; come again with the same key, when told, where the shop is busy."""
        if self.think_seconds:
            await asyncio.sleep(self.think_seconds * number / self.clients)
        connection, request, wanted = None, b"", 0.0
        while time.monotonic() < self._deadline and (request or self.most is None or next(self._budget) < self.most):
            began = time.monotonic()
            request, wanted = (request, wanted) if request else (self._request(), began)
            connection, status, wait = await self._ask(connection, request)
            if status in BUSY:
                # Nobody is waited for who would come again only after the end.
                await asyncio.sleep(max(0.0, min(wait, self._deadline - time.monotonic())))
                continue
            request = b""
            self._outcome.waits.append(time.monotonic() - wanted)
            if self.think_seconds:
                await asyncio.sleep(max(0.0, self.think_seconds - (time.monotonic() - wanted)))
        if connection is not None:
            connection[1].close()

    async def _ask(self, connection: Connection | None, request: bytes) -> tuple[Connection | None, int, float]:
        """Send a request; return the connection where it can be used again, the status, and Retry-After in seconds."""
        at = urlsplit(self.url)
        began = time.monotonic()
        stays, wait = False, 1.0
        try:
            if connection is None:
                connection = await asyncio.open_connection(at.hostname, at.port)
            status, head, body = await asyncio.wait_for(_exchange(connection, request), PATIENCE_SECONDS)
            stays = "connection: close" not in head
            wait = float(_header(head, "retry-after") or 1)
        except (OSError, EOFError, TimeoutError) as error:
            status, body = 0, repr(error)
        self._outcome.statuses[status] += 1
        if status == self.good:
            self._outcome.latencies.append(time.monotonic() - began)
        else:
            self._outcome.samples.setdefault(status, body[:300])
        if not stays and connection is not None:
            connection[1].close()
        return connection if stays else None, status, wait

    def _request(self) -> bytes:
        body = order_body(hot=self.hot, lines=self.lines)
        return order_request(self.url, token=next(self._customers), body=body, headers=self.headers)


def load(stack: Any, **what: Any) -> Outcome:
    """Place orders at a shop or the article (see Load)."""
    return Load(url=stack.url, tokens=stack.tokens, **what).run()


async def _exchange(connection: Connection, request: bytes) -> tuple[int, str, str]:
    """Send a request; return status, head and body."""
    reader, writer = connection
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    body = (await reader.readexactly(int(_header(head, "content-length") or 0))).decode(errors="replace")
    return int(head.split(" ", 2)[1]), head, body


def _header(head: str, name: str) -> str:
    return head.partition(f"\r\n{name}: ")[2].partition("\r\n")[0]
