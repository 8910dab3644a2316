"""Where a process can die: found in the running code, listed nowhere.

A point is a moment before or after something durable or visible outside: a COMMIT that wrote (or a statement that writes
without a transaction), a request to the card provider, a call to the carrier or the mail server, a batch handed to the
events' transport. Code written tomorrow has its points found tomorrow.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core import mail
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from payments.gateways import stripe_api
from shipping.gateways import CARRIERS
from shop.events.bus import transport

WRITE = re.compile(
    r'\b(?:INSERT\s+INTO|(?<!FOR )(?<!KEY )UPDATE|DELETE\s+FROM|MERGE\s+INTO)\s+(?:ONLY\s+)?"?(\w+)', re.IGNORECASE
)
PROVIDERS_ID = re.compile(r"\b(pi|re|ch)_\w+")


class Points:
    """Calls `meet` with the name of each point as the process comes to it. For a process that ends soon: no undo."""

    def __init__(self, meet: Callable[[str], None]) -> None:
        self._meet = meet
        self._seen: Counter[str] = Counter()
        self._written: dict[str, list[str]] = {}

    def install(self) -> None:
        """Watch every database connection and every way to the outside of this process."""
        self._watch_databases()
        self._watch(self._provider_client(), "request", _name_of_request)
        carrier = CARRIERS[settings.SHIPPING_CARRIER]
        for verb in ("find", "book", "track", "void"):
            self._watch(carrier, verb, lambda *_args, verb=verb, **_kwargs: f"carrier {verb}")
        self._watch(type(mail.get_connection()), "send_messages", lambda *_args, **_kwargs: "mail server send")
        self._watch(type(transport()), "send", _name_of_batch)

    @staticmethod
    def _provider_client() -> Any:
        provider: Any = stripe_api.provider()
        return provider._client._requestor._client

    def _around(self, name: str, do: Callable[[], Any]) -> Any:
        self._seen[name] += 1
        numbered = f"{name} #{self._seen[name]}"
        self._meet(f"before {numbered}")
        result = do()
        self._meet(f"after {numbered}")
        return result

    def _watch(self, owner: Any, method: str, name_of: Callable[..., str]) -> None:
        original = getattr(owner, method)

        def watched(*args: Any, **kwargs: Any) -> Any:
            return self._around(name_of(*args, **kwargs), lambda: original(*args, **kwargs))

        setattr(owner, method, watched)

    def _watch_databases(self) -> None:
        for alias in connections:
            connections[alias].execute_wrappers.append(self._on_statement)
        commit, rollback = BaseDatabaseWrapper.commit, BaseDatabaseWrapper.rollback

        def watched_commit(connection: BaseDatabaseWrapper) -> None:
            if tables := self._written.pop(connection.alias, []):
                self._around(f"COMMIT {'+'.join(dict.fromkeys(tables))}", lambda: commit(connection))
            else:
                commit(connection)

        def watched_rollback(connection: BaseDatabaseWrapper) -> None:
            self._written.pop(connection.alias, None)
            rollback(connection)

        BaseDatabaseWrapper.commit = watched_commit  # type: ignore[method-assign]
        BaseDatabaseWrapper.rollback = watched_rollback  # type: ignore[method-assign]

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
            self._written.setdefault(connection.alias, []).append(found[1])
        return result


def _name_of_request(method: str, url: str, *_args: Any, **_kwargs: Any) -> str:
    return f"stripe {method.upper()} {PROVIDERS_ID.sub('*', urlsplit(url).path)}"


def _name_of_batch(_transport: Any, envelopes: Any) -> str:
    return f"transport send {'+'.join(dict.fromkeys(envelope.type for envelope in envelopes))}"
