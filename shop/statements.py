"""The hot path's SQL: texts in files beside the models, prepared once per connection.

`Statement("orders", "place_order")` is orders/sql/place_order.sql, one statement whose parameters are named
`%(order_id)s`. It is bound and planned by the server, so a parameter whose type its place does not tell is cast in the
text. What the ORM says as fast, it says: this is for what every order costs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connections
from django_prometheus.db import execute_total

from shop import transactions
from shop.exchange import Exchange, Series, Text

ROOT = Path(__file__).resolve().parent.parent
COMMENT = re.compile(r"--[^\n]*")
WRITE = re.compile(r"\b(?:INSERT\s+INTO|UPDATE\s+\w+\s+(?:AS\s+\w+\s+)?SET|DELETE\s+FROM)\b", re.IGNORECASE)
# What is longer is several statements.
LONGEST_TEXT = 4096

_known: dict[str, Statement] = {}


class Statement:
    """One SQL text of one context, the same at every call."""

    def __init__(self, context: str, name: str, *, text: str | None = None) -> None:
        """Load the text from its file, unless it is given because a table's name is part of it."""
        self.context, self.name = context, f"{context}.{name}"
        self.text = " ".join(COMMENT.sub("", text or _file(context, name).read_text()).split())
        self.writes = WRITE.search(self.text) is not None
        self.says_how_to_commit = "%(asynchronous)s" in self.text
        if len(self.text) > LONGEST_TEXT:
            raise ValueError(f"{self.name} is {len(self.text)} characters long, more than {LONGEST_TEXT}")
        self._sent = Text(self.text)
        _known[self.name] = self

    def run(self, *, asynchronous: bool = False, **values: Any) -> list[tuple[Any, ...]]:
        """Run it with these parameters and return its rows.

        `asynchronous`: where it is the whole transaction, its commit need not wait for the disk, if the settings allow
        that at all. The text has a parameter of this name. See ADR 0027 for which writes may: a later commit of the
        same order waits.
        Raises: TransactionMisuse where it writes outside of its context's transaction, or second in a `single` one.
        """
        if self.writes:
            transactions.require(self.context)
        if self.says_how_to_commit:
            allowed = settings.DATABASE_ASYNCHRONOUS_COMMIT and transactions.is_single()
            values["asynchronous"] = asynchronous and allowed
        elif asynchronous:
            raise ValueError(f"the text of {self.name} has no parameter `asynchronous`")
        transactions.note_statement(self.name)
        return self._run(values)

    def one(self, *, asynchronous: bool = False, **values: Any) -> tuple[Any, ...] | None:
        """Run it and return its first row, None where there is none. Raises: as `run`."""
        rows = self.run(asynchronous=asynchronous, **values)
        return rows[0] if rows else None

    def _run(self, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        connection = _connected(self.context)
        with connection.wrap_database_errors:
            exchange = Exchange(connection.connection, self._sent, prepares=settings.DATABASE_PREPARED_STATEMENTS)
            _through_wrappers(connection, exchange, self.text, values, self.name)
            return exchange.rows


class Together:
    """Texts of one context that are sent together and are one transaction, each prepared as that of a Statement is.

    Each has a snapshot of its own, newer than the statement before.
    """

    def __init__(self, context: str, name: str, texts: Sequence[str]) -> None:
        self.context, self.name = context, f"{context}.{name}"
        self.text = "; ".join(texts)
        self._says_how_to_commit = "%(asynchronous)s" in self.text
        self._sent = [Text(text) for text in texts]

    def run(self, *, asynchronous: bool = False, **values: Any) -> list[list[tuple[Any, ...]]]:
        """Run them with these parameters and return the rows of each; where one fails, none has run.

        `asynchronous`: as of a Statement, where one of the texts has this parameter.
        Raises: TransactionMisuse outside of a `single` transaction of the context, which they are the whole of.
        """
        transactions.require(self.context)
        if not transactions.is_single():
            raise transactions.TransactionMisuse(f"{self.name} is a transaction of its own")
        if self._says_how_to_commit:
            values["asynchronous"] = asynchronous and settings.DATABASE_ASYNCHRONOUS_COMMIT
        transactions.note_statement(self.name)
        connection = _connected(self.context)
        with connection.wrap_database_errors:
            series = Series(connection.connection, self._sent, prepares=settings.DATABASE_PREPARED_STATEMENTS)
            try:
                _through_wrappers(connection, series, self.text, values, self.name)
            except BaseException:
                # Whatever it was: whether the session still lives is asked before it is used again.
                connection.errors_occurred = True
                raise
            return series.rows


def _connected(context: str) -> Any:
    """Return the connection of a context, open."""
    connection: Any = connections[transactions.alias_for(context)]
    if connection.connection is None:
        connection.ensure_connection()
    connection.validate_no_broken_transaction()
    _counter(connection.alias, connection.vendor).inc()
    return connection


def _through_wrappers(connection: Any, cursor: Exchange | Series, text: str, values: dict[str, Any], name: str) -> None:
    execute: Any = _execute
    for wrapper in connection.execute_wrappers:
        execute = partial(wrapper, execute)
    many = False
    execute(text, values, many, {"connection": connection, "cursor": cursor, "name": name})


def _execute(_sql: str, params: Any, _many: bool, context: dict[str, Any]) -> None:
    """Run the statement; wrappers see its text and cannot change it."""
    context["cursor"].execute(params)


def statements() -> Iterator[Statement]:
    """Yield every statement of the modules that are imported (for tests and documents)."""
    yield from _known.values()


def names(values: Sequence[object]) -> list[str]:
    """Return members of an enum as the texts that an array parameter takes."""
    return [str(value) for value in values]


@cache
def _counter(alias: str, vendor: str) -> Any:
    return execute_total.labels(alias, vendor)


def _file(context: str, name: str) -> Path:
    return ROOT / context / "sql" / f"{name}.sql"
