"""One statement and its answer on a psycopg connection, by psycopg's own compiled parts, without a cursor for each call.

A statement is prepared at its first run in a session, under a name of ours. For `shop.statements`, which is the way in.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from datetime import UTC
from typing import Any

import psycopg
from django.db.backends.postgresql.psycopg_any import get_adapters_template
from psycopg import errors, generators
from psycopg.adapt import AdaptersMap, PyFormat, Transformer
from psycopg.pq import ExecStatus, Format, TransactionStatus
from psycopg.types.datetime import TimestamptzLoader

_numbers = itertools.count()
PLACEHOLDER = re.compile(r"%\((\w+)\)s")
Row = tuple[Any, ...]


def _adapters() -> AdaptersMap:
    """Return Django's adapters, but for the time: psycopg's loader is compiled, and all sessions are in UTC."""
    adapters = AdaptersMap(get_adapters_template(use_tz=True, timezone=UTC))
    adapters.register_loader("timestamptz", TimestamptzLoader)
    return adapters


class Text:
    """A text with its placeholders as PostgreSQL counts them: `%(name)s` is $1, the next other name $2."""

    def __init__(self, text: str) -> None:
        self.names = tuple(dict.fromkeys(PLACEHOLDER.findall(text)))
        numbers = {name: f"${number}" for number, name in enumerate(self.names, start=1)}
        self.query = PLACEHOLDER.sub(lambda found: numbers[found[1]], text).replace("%%", "%").encode()
        self.formats = [PyFormat.AUTO] * len(self.names)


class _Context:
    """Where psycopg looks for adapters; made anew for each call, since it holds the connection."""

    __slots__ = ("connection",)
    adapters = _adapters()

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection


class Exchange:
    """A statement on its way on one connection; to wrappers of Django's connections it is the cursor."""

    __slots__ = ("_prepares", "_raw", "_text", "_transformer", "rowcount", "rows")

    def __init__(self, raw: psycopg.Connection[Any], text: Text, *, prepares: bool) -> None:
        self._raw, self._text, self._prepares = raw, text, prepares
        self._transformer = Transformer(_Context(raw))
        self.rows: list[Row] = []
        self.rowcount = -1

    def execute(self, values: Mapping[str, Any]) -> list[Row]:
        """Send the statement with these parameters, and return its rows. Raises: psycopg.Error, KeyError."""
        parameters = self._transformer.dump_sequence([values[name] for name in self._text.names], self._text.formats)
        raw = self._raw
        with raw.lock:
            if not raw.autocommit and raw.pgconn.transaction_status == TransactionStatus.IDLE:
                raw.wait(raw._start_query())  # noqa: SLF001  BEGIN, with what the connection adds to it
            try:
                result = self._send(parameters)
            except errors.InvalidSqlStatementName:
                # Somebody has discarded what the session had prepared. Nothing has run.
                _names(raw).clear()
                if not raw.autocommit:
                    raise
                result = self._send(parameters)
        if result.status == ExecStatus.TUPLES_OK:
            self.rowcount = result.ntuples
            self._transformer.set_pgresult(result)
            self.rows = self._transformer.load_rows(0, result.ntuples, tuple)
        else:
            self.rowcount = result.command_tuples or 0
        return self.rows

    def _send(self, parameters: Any) -> Any:
        pgconn, formats, types = self._raw.pgconn, self._transformer.formats, self._transformer.types
        if self._prepares:
            name = _names(self._raw).get((self._text.query, types)) or self._prepare(types)
            pgconn.send_query_prepared(name, parameters, param_formats=formats, result_format=Format.TEXT)
        else:
            pgconn.send_query_params(
                self._text.query, parameters, param_types=types, param_formats=formats, result_format=Format.TEXT
            )
        return self._answer()

    def _prepare(self, types: tuple[int, ...] | None) -> bytes:
        name = b"shop_%d" % next(_numbers)
        self._raw.pgconn.send_prepare(name, self._text.query, param_types=types)
        self._answer()
        _names(self._raw)[self._text.query, types] = name
        return name

    def _answer(self) -> Any:
        *_others, result = self._raw.wait(generators.execute(self._raw.pgconn))
        if result.status not in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
            raise errors.error_from_result(result, encoding=self._raw.info.encoding)
        return result


def _names(raw: psycopg.Connection[Any]) -> dict[tuple[bytes, tuple[int, ...] | None], bytes]:
    """Return what this session has prepared: text and types of the parameters -> name."""
    names: dict[Any, bytes] | None = getattr(raw, "shop_prepared", None)
    if names is None:
        names = raw.shop_prepared = {}  # type: ignore[attr-defined]
    return names
