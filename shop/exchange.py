"""Statements and their answers on a psycopg connection, by psycopg's own compiled parts, without a cursor for each call.

A statement is prepared at its first run in a session, under a name of ours. For `shop.statements`, which is the way in,
and for the relay's claims, which are several statements in one round trip.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Generator, Mapping, Sequence
from datetime import UTC
from typing import Any, NamedTuple

import psycopg
from django.db.backends.postgresql.psycopg_any import get_adapters_template
from psycopg import errors, generators
from psycopg.adapt import AdaptersMap, PyFormat, Transformer
from psycopg.pq import ExecStatus, Format, TransactionStatus
from psycopg.types.datetime import TimestamptzLoader

_numbers = itertools.count()
PLACEHOLDER = re.compile(r"%\((\w+)\)s")
Row = tuple[Any, ...]
GOOD = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)


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
    """Where psycopg looks for adapters."""

    __slots__ = ("connection",)
    adapters = _adapters()

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection


class _Session:
    """What is kept of a session: which texts it has prepared, by the types of their parameters, and its adapters.

    psycopg's Transformer looks an adapter up once for each type, so that one for each statement would look up all of them.
    """

    __slots__ = ("names", "transformer")

    def __init__(self, raw: psycopg.Connection[Any]) -> None:
        self.names: dict[tuple[bytes, tuple[int, ...] | None], bytes] = {}
        self.transformer = Transformer(_Context(raw))


class _Bound(NamedTuple):
    """A text with its parameters as they are sent."""

    text: Text
    parameters: Any
    types: tuple[int, ...] | None
    formats: Any


class Exchange:
    """A statement on its way on one connection; to wrappers of Django's connections it is the cursor."""

    __slots__ = ("_prepares", "_raw", "_text", "rowcount", "rows")

    def __init__(self, raw: psycopg.Connection[Any], text: Text, *, prepares: bool) -> None:
        self._raw, self._text, self._prepares = raw, text, prepares
        self.rows: list[Row] = []
        self.rowcount = -1

    def execute(self, values: Mapping[str, Any]) -> list[Row]:
        """Send the statement with these parameters, and return its rows. Raises: psycopg.Error, KeyError."""
        raw = self._raw
        bound = _bind(raw, self._text, values)
        with raw.lock:
            if not raw.autocommit and raw.pgconn.transaction_status == TransactionStatus.IDLE:
                raw.wait(raw._start_query())  # noqa: SLF001  BEGIN, with what the connection adds to it
            try:
                result = self._send(bound)
            except errors.InvalidSqlStatementName:
                # Somebody has discarded what the session had prepared. Nothing has run.
                _session(raw).names.clear()
                if not raw.autocommit:
                    raise
                result = self._send(bound)
        if result.status == ExecStatus.TUPLES_OK:
            self.rowcount = result.ntuples
            self.rows = _rows(raw, result)
        else:
            self.rowcount = result.command_tuples or 0
        return self.rows

    def _send(self, bound: _Bound) -> Any:
        name = _prepared(self._raw, bound) if self._prepares else None
        _queue(self._raw, bound, name=name)
        return _answer(self._raw)


class Series:
    """Several statements in one round trip and one transaction, each with a snapshot of its own.

    What is sent up to a Sync message is one transaction to PostgreSQL, unless a transaction is open. To wrappers of
    Django's connections it is the cursor.
    """

    __slots__ = ("_prepares", "_raw", "_texts", "rowcount", "rows")

    def __init__(self, raw: psycopg.Connection[Any], texts: Sequence[Text], *, prepares: bool) -> None:
        self._raw, self._texts, self._prepares = raw, texts, prepares
        self.rows: list[list[Row]] = []
        self.rowcount = -1

    def execute(self, values: Mapping[str, Any]) -> list[list[Row]]:
        """Send the statements, each with those of these parameters that it names; return the rows of each.

        Where one fails, none has run. Raises: psycopg.Error, KeyError.
        """
        raw = self._raw
        bound = [_bind(raw, text, values) for text in self._texts]
        with raw.lock:
            try:
                results = self._send(bound)
            except errors.InvalidSqlStatementName:
                # Somebody has discarded what the session had prepared. Nothing has run.
                _session(raw).names.clear()
                results = self._send(bound)
        self.rows = [_rows(raw, result) if result.status == ExecStatus.TUPLES_OK else [] for result in results]
        self.rowcount = len(self.rows[-1])
        return self.rows

    def _send(self, bound: Sequence[_Bound]) -> list[Any]:
        raw = self._raw
        try:
            named = [(each, _prepared(raw, each) if self._prepares else None) for each in bound]
            raw.pgconn.enter_pipeline_mode()
            for each, name in named:
                _queue(raw, each, name=name)
            raw.pgconn.pipeline_sync()
            results = raw.wait(_answers(raw.pgconn, len(named)))
            raw.pgconn.exit_pipeline_mode()
        except BaseException:
            # Answers may still be on their way, and nobody could tell whose they are.
            raw.close()
            raise
        for result in results:
            if result.status not in GOOD:
                raise errors.error_from_result(result, encoding=raw.info.encoding)
        return results


def _answers(pgconn: Any, number: int) -> Generator[Any, Any, list[Any]]:
    """Send what is queued and fetch the answer of each statement, then that of the Sync."""
    yield from generators.send(pgconn)
    answers = []
    for _each in range(number):
        results = yield from generators.fetch_many(pgconn)
        answers.append(results[-1])
    yield from generators.fetch_many(pgconn)
    return answers


def _bind(raw: psycopg.Connection[Any], text: Text, values: Mapping[str, Any]) -> _Bound:
    """Return the text with these parameters, as they are sent. Raises: KeyError."""
    transformer = _session(raw).transformer
    parameters = transformer.dump_sequence([values[name] for name in text.names], text.formats)
    return _Bound(text, parameters, transformer.types, transformer.formats)


def _queue(raw: psycopg.Connection[Any], bound: _Bound, *, name: bytes | None) -> None:
    text, parameters, types, formats = bound
    if name is not None:
        raw.pgconn.send_query_prepared(name, parameters, param_formats=formats, result_format=Format.TEXT)
    else:
        raw.pgconn.send_query_params(
            text.query, parameters, param_types=types, param_formats=formats, result_format=Format.TEXT
        )


def _prepared(raw: psycopg.Connection[Any], bound: _Bound) -> bytes:
    """Return the name under which this session has prepared the text for parameters of these types."""
    names, known_as = _session(raw).names, (bound.text.query, bound.types)
    if (name := names.get(known_as)) is None:
        name = b"shop_%d" % next(_numbers)
        raw.pgconn.send_prepare(name, bound.text.query, param_types=bound.types)
        _answer(raw)
        names[known_as] = name
    return name


def _answer(raw: psycopg.Connection[Any]) -> Any:
    *_others, result = raw.wait(generators.execute(raw.pgconn))
    if result.status not in GOOD:
        raise errors.error_from_result(result, encoding=raw.info.encoding)
    return result


def _rows(raw: psycopg.Connection[Any], result: Any) -> list[Row]:
    transformer = _session(raw).transformer
    transformer.set_pgresult(result)
    rows: list[Row] = transformer.load_rows(0, result.ntuples, tuple)
    return rows


def _session(raw: psycopg.Connection[Any]) -> _Session:
    """Return what is kept of a session; one thread works with it at a time."""
    session: _Session | None = getattr(raw, "shop_session", None)
    if session is None:
        session = raw.shop_session = _Session(raw)  # type: ignore[attr-defined]
    return session
