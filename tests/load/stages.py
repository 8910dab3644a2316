"""Where a confirmed order's fact is between its commit and its handlers: stamps of each stage, in every process.

`BENCH_STAGES=FOLDER make bench ROWS=hearing` adds them to the row's details; the folder is an empty one. They cost a little themselves, so a row without them is what counts.
"""

from __future__ import annotations

import os
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

FACT = "order.confirmed"
# What a fact goes through, in order; from "taken" on it does so in each context that hears it. The broker's confirm is beside the way.
STAGES = ("committed", "claiming", "claimed", "written", "taken", "applying", "heard")
CONFIRMED = "confirmed"
_OF_CONTEXTS = ("taken", "applying")


class _Stamps:
    """Lines of `time stage order context`, in a file of this process."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._files: dict[int, int] = {}

    def put(self, stage: str, orders: Iterable[object], *, context: str = "-", at: float | None = None) -> None:
        moment = time.time() if at is None else at
        lines = "".join(f"{moment:.6f} {stage} {order} {context}\n" for order in orders)
        if lines:
            if (pid := os.getpid()) not in self._files:
                self._files[pid] = os.open(f"{self._folder}/{pid}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.write(self._files[pid], lines.encode())


def install(folder: str) -> None:
    """Have this process leave its stamps in `folder`."""
    stamps = _Stamps(folder)
    _watch_commits(stamps)
    _watch_relay(stamps)
    _watch_worker(stamps)


def _watch_commits(stamps: _Stamps) -> None:
    """A fact is announced before its commit and the relay is woken after it, by the same thread."""
    from shop.events import relay, subscribers

    told = threading.local()
    heard, wake = subscribers.heard, relay.wake

    def watched_heard(event: Any) -> bool:
        if event.type == FACT:
            told.order = event.order_id
        return heard(event)

    def watched_wake(context: str, *, heard: bool = True) -> None:
        if context == "orders" and (order := getattr(told, "order", None)) is not None:
            told.order = None
            stamps.put("committed", [order])
        wake(context, heard=heard)

    subscribers.heard, relay.wake = watched_heard, watched_wake


def _watch_relay(stamps: _Stamps) -> None:
    from shop.events import broker, claims

    transport: Any = broker.CeleryTransport
    claim = claims.mark_and_claim
    send, write = transport._send, broker._write
    now = threading.local()

    def watched_claim(context: str, arrived: Sequence[int], *, limit: int) -> Any:
        began = time.time()
        rows, mine = claim(context, arrived, limit=limit)
        orders = _orders(row.envelope for row in rows)
        if orders:
            stamps.put("claiming", orders, at=began)
            stamps.put("claimed", orders)
        return rows, mine

    def watched_write(channel: Any, outgoing: bytearray) -> None:
        write(channel, outgoing)
        now.written = time.time()

    def watched_send(mine: Any, envelopes: Any) -> Any:
        errors = send(mine, envelopes)
        orders = _orders(envelopes)
        stamps.put("written", orders, at=getattr(now, "written", None))
        stamps.put(CONFIRMED, orders)
        return errors

    claims.mark_and_claim, broker._write = watched_claim, watched_write
    transport._send = watched_send


def _watch_worker(stamps: _Stamps) -> None:
    from shop.events import batches, consumer, inbox

    take, batch, single = consumer.Consumer._take, batches.deliver_batch, inbox.deliver

    def watched_take(self: Any, connection: Any) -> None:
        take(self, connection)
        moment = time.time()
        for message in self._taken:
            try:
                deliveries = consumer._deliveries_in(message)
            except ValueError:
                continue
            for context, orders in _told(deliveries).items():
                stamps.put("taken", orders, context=context, at=moment)

    def watched_batch(*, deliveries: Any) -> None:
        for context, orders in _told(deliveries).items():
            stamps.put("applying", orders, context=context)
        batch(deliveries=deliveries)

    def watched_single(*, subscriber: str, attributes: Any, counted: bool = False) -> Any:
        for context, orders in _told([(subscriber, attributes)]).items():
            stamps.put("applying", orders, context=context)
        return single(subscriber=subscriber, attributes=attributes, counted=counted)

    consumer.Consumer._take = watched_take  # type: ignore[method-assign]
    batches.deliver_batch, inbox.deliver = watched_batch, watched_single  # type: ignore[assignment]


def _orders(envelopes: Iterable[Any]) -> list[str]:
    return [str(envelope.data["order_id"]) for envelope in envelopes if envelope.type == FACT]


def _told(deliveries: Iterable[tuple[str, Any]]) -> Mapping[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for subscriber, attributes in deliveries:
        if str(attributes.get("type", "")).endswith(FACT):
            found[subscriber.partition(".")[0]].append(str(attributes["data"]["order_id"]))
    return found


def read(folder: Path, heard: Sequence[tuple[str, str, float]]) -> dict[str, dict[str, float]]:
    """Return by stage how many ms the stage before it took, p50, p90 and p99, of all that was heard.

    `heard`: of each delivery its order, its context, and the moment at which its transaction began, by time.time().
    """
    stamps: dict[tuple[str, str, str], float] = {}
    for file in folder.iterdir():
        for line in file.read_text().splitlines():
            at, stage, order, context = line.split()
            stamps.setdefault((order, context, stage), float(at))
    took: defaultdict[str, list[float]] = defaultdict(list)
    for order, context, begun in heard:
        found = {stage: stamps.get((order, context if stage in _OF_CONTEXTS else "-", stage)) for stage in STAGES}
        moments = {stage: at for stage, at in (found | {"heard": begun}).items() if at is not None}
        confirmed = stamps.get((order, "-", CONFIRMED))
        if len(moments) < len(STAGES) or confirmed is None:
            continue  # retried, or published by a process that ended
        for before, stage in pairwise(STAGES):
            took[stage].append(1000 * (moments[stage] - moments[before]))
        took["in all"].append(1000 * (moments["heard"] - moments["committed"]))
        took[f"{CONFIRMED}, from written"].append(1000 * (confirmed - moments["written"]))
    return {stage: _percentiles(sorted(times)) for stage, times in took.items()}


def _percentiles(times: Sequence[float]) -> dict[str, float]:
    named = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
    found = {name: round(times[int(share * len(times))], 1) for name, share in named.items()}
    return found | {"mean": round(sum(times) / len(times), 1), "n": float(len(times))}
