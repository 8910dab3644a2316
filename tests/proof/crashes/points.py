"""Where a process can die: found in the running code, listed nowhere.

A point is a moment before or after something durable or visible outside: a COMMIT that wrote (or a statement that writes
without a transaction), a request to the card provider, a call to the carrier or the mail server, a batch handed to the
events' transport, what the thread that writes for many (shop.coalescing) writes for this one, and over RabbitMQ each
message published, its confirm, each acknowledgment and each rejection. Code written tomorrow has its points found
tomorrow.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import amqp
from django.conf import settings
from django.core import mail
from django.db import connections

from payments.gateways.stripe import adapter as stripe_adapter
from shipping.gateways import CARRIERS
from shop import coalescing
from shop.events import broker
from shop.events.transport import transport
from shop.transactions import alias_for

WRITE = re.compile(
    r'\b(?:INSERT\s+INTO|(?<!FOR )(?<!KEY )UPDATE|DELETE\s+FROM|MERGE\s+INTO)\s+(?:ONLY\s+)?"?(\w+)', re.IGNORECASE
)
# How the points are named that the thread comes to that writes for many.
FOR_MANY = ", for many"
PROVIDERS_ID = re.compile(r"\b(pi|re|ch)_\w+")


class Points:
    """Calls `meet` with the name of each point as the thread that installs it comes to it; other threads pass unseen.

    So does the thread that writes for many, but for its points while this one waits for its answer.
    """

    def __init__(self, meet: Callable[[str], None]) -> None:
        self._meet = meet
        self._seen: Counter[str] = Counter()
        self._written: dict[int, list[str]] = {}
        self._thread = self._for_many = 0
        self._undo: list[Callable[[], None]] = []

    def install(self) -> None:
        """Watch every database connection of this thread and every way that it takes to the outside."""
        self._thread = threading.get_ident()
        self._watch_databases()
        self._watch(self._provider_client(), "request", _name_of_request)
        carrier = CARRIERS[settings.SHIPPING_CARRIER]
        for verb in ("find", "book", "track", "void"):
            self._watch(carrier, verb, lambda *_args, verb=verb, **_kwargs: f"carrier {verb}")
        self._watch(type(mail.get_connection()), "send_messages", lambda *_args, **_kwargs: "mail server send")
        self._watch(type(transport()), "send", _name_of_batch)
        self._watch_broker()
        self._watch_batches()

    def uninstall(self) -> None:
        """Leave everything as it was. To be called in the thread that installed it."""
        while self._undo:
            self._undo.pop()()

    @staticmethod
    def _provider_client() -> Any:
        provider: Any = stripe_adapter.provider()
        return provider._client._requestor._client

    def _around(self, name: str, do: Callable[[], Any]) -> Any:
        self._seen[name] += 1
        numbered = f"{name} #{self._seen[name]}{FOR_MANY if threading.get_ident() == self._for_many else ''}"
        self._meet(f"before {numbered}")
        result = do()
        self._meet(f"after {numbered}")
        return result

    def _watch(self, owner: Any, method: str, name_of: Callable[..., str]) -> None:
        original = getattr(owner, method)

        def watched(*args: Any, **kwargs: Any) -> Any:
            if threading.get_ident() != self._thread:
                return original(*args, **kwargs)
            return self._around(name_of(*args, **kwargs), lambda: original(*args, **kwargs))

        self._put(owner, method, watched)

    def _put(self, owner: Any, name: str, watched: object) -> None:
        own, before = name in vars(owner), vars(owner).get(name)
        setattr(owner, name, watched)
        self._undo.append(lambda: setattr(owner, name, before) if own else delattr(owner, name))

    def _watch_databases(self) -> None:
        for alias in connections:
            self._watch_database(connections[alias])

    def _watch_database(self, connection: Any) -> None:
        # A connection belongs to one thread, so what is put on it is not seen by others.
        commit, rollback = connection.commit, connection.rollback

        def watched_commit() -> None:
            if tables := self._written.pop(id(connection), []):
                self._around(f"COMMIT {'+'.join(dict.fromkeys(tables))}", commit)
            else:
                commit()

        def watched_rollback() -> None:
            self._written.pop(id(connection), None)
            rollback()

        self._put(connection, "commit", watched_commit)
        self._put(connection, "rollback", watched_rollback)
        connection.execute_wrappers.append(self._on_statement)
        self._undo.append(lambda: connection.execute_wrappers.remove(self._on_statement))

    def _watch_broker(self) -> None:
        for publish in ("basic_publish", "basic_publish_confirm"):
            self._watch(amqp.Channel, publish, _name_of_publish)
        # The relay writes many messages at once; its process may die between any two of them.
        self._put(broker, "WRITE_BYTES", 0)
        self._watch(broker, "_publish", lambda _channel, _outgoing, message: f"amqp publish {message.routing_key}")
        self._watch(amqp.Channel, "basic_ack", lambda *_args, **_kwargs: "amqp ack")
        self._watch(amqp.Channel, "basic_reject", _name_of_reject)
        self._watch_confirms()

    def _watch_batches(self) -> None:
        """See what is written for this thread by the one that writes for many, on a connection of its own."""
        await_, answer = coalescing.Batch._await, coalescing._Worker._answer
        asked: list[Any] = []

        def watched_await(batch: Any, call: Any, seconds: float) -> None:
            if threading.get_ident() == self._thread:
                asked.append(call)
            await_(batch, call, seconds)

        def watched_answer(worker: Any, calls: Any) -> None:
            if not any(call is mine for call in calls for mine in asked):
                answer(worker, calls)
                return
            installed, self._for_many = len(self._undo), threading.get_ident()
            self._watch_database(connections[alias_for(worker.context)])
            try:
                answer(worker, calls)
            finally:
                self._for_many = 0
                while len(self._undo) > installed:
                    self._undo.pop()()

        self._put(coalescing.Batch, "_await", watched_await)
        self._put(coalescing._Worker, "_answer", watched_answer)

    def _watch_confirms(self) -> None:
        """Come to a point at each message's confirm: however the broker bundles them, and when nothing is published.

        Else the points were others each time: one frame may confirm many messages, and py-amqp, so that it hears of a
        broker in distress, may read frames in the middle of a publish.
        """
        channels: Any = amqp.Channel
        confirm = channels._on_basic_ack
        confirmed: WeakKeyDictionary[amqp.Channel, set[int]] = WeakKeyDictionary()

        def watched(channel: amqp.Channel, tag: int, multiple: bool) -> None:
            if threading.get_ident() != self._thread:
                confirm(channel, tag, multiple)
                return
            known = confirmed.setdefault(channel, set())
            for each in sorted(set(range(1, tag + 1)) - known) if multiple else [tag]:
                known.add(each)
                self._around("amqp confirm", lambda: confirm(channel, each, multiple=False))  # noqa: B023  called at once

        self._put(amqp.Channel, "_on_basic_ack", watched)
        capabilities = amqp.Connection.negotiate_capabilities | {"connection.blocked": False}
        self._put(amqp.Connection, "negotiate_capabilities", capabilities)

    def _on_statement(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]
    ) -> Any:
        found = WRITE.search(str(sql))
        if found is None:
            return execute(sql, params, many, context)
        connection = context["connection"]
        if not connection.in_atomic_block:
            return self._around(f"{found[0].split()[0]} {found[1]}", lambda: execute(sql, params, many, context))
        result = execute(sql, params, many, context)
        if context["cursor"].rowcount:
            self._written.setdefault(id(connection), []).append(found[1])
        return result


def _name_of_request(method: str, url: str, *_args: Any, **_kwargs: Any) -> str:
    return f"stripe {method.upper()} {PROVIDERS_ID.sub('*', urlsplit(url).path)}"


def _name_of_batch(_transport: Any, envelopes: Any) -> str:
    return f"transport send {'+'.join(dict.fromkeys(envelope.type for envelope in envelopes))}"


def _name_of_publish(_channel: Any, _message: Any, exchange: str = "", routing_key: str = "", **_options: Any) -> str:
    return f"amqp publish {routing_key}"


def _name_of_reject(_channel: Any, _tag: int, requeue: bool, **_options: Any) -> str:
    return "amqp requeue" if requeue else "amqp reject"
