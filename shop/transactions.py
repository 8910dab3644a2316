"""The whole vocabulary of transactions: one use case = one transaction = one context.

`transaction(context)` opens one, `single(context)` is one of a single statement, `require(context)` insists on one,
`forbid()` insists on none (in a use case that will call the outside world), `go_outside()` as well, and gives the
connections back (in the gateway, right before the call), `after_commit(fn)` runs once the facts are durable. Nothing
else in the product opens a transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

import structlog
from django.db import connections
from django.db import transaction as django_transaction

log = structlog.get_logger(__name__)

_current: ContextVar[str | None] = ContextVar("current_context", default=None)


@dataclass
class _Single:
    """The one statement of a `single` transaction, once it has run, and what is to run after it."""

    statement: str = ""
    callbacks: list[Callable[[], object]] = field(default_factory=list)


_single: ContextVar[_Single | None] = ContextVar("single_statement", default=None)


class TransactionMisuse(RuntimeError):
    """A transaction was opened, missing or left open against the rules above: always a bug."""


def alias_for(context: str) -> str:
    """Return the database alias that holds a context's tables: its own where one is configured, else the shared one."""
    return context if context in connections.settings else "default"


@contextmanager
def transaction(context: str) -> Iterator[None]:
    """Open the one transaction of a use case in `context`; committed when the block ends, rolled back if it raises.

    Raises: TransactionMisuse where a transaction of any context is open already.
    """
    _refuse_second(context)
    token = _current.set(context)
    try:
        with django_transaction.atomic(using=alias_for(context), durable=True):
            yield
    finally:
        _current.reset(token)


@contextmanager
def single(context: str) -> Iterator[None]:
    """Open the transaction of a use case that is one statement: PostgreSQL's own around it, without BEGIN and COMMIT.

    A `shop.statements.Statement` runs in it, once; what `after_commit` was given runs when the block ends.
    Raises: TransactionMisuse where a transaction of any context is open already, or at a second statement.
    """
    _refuse_second(context)
    if connections[alias_for(context)].in_atomic_block:
        raise TransactionMisuse(f"a transaction is open on {alias_for(context)} that {__name__} did not open")
    begun = _Single()
    current, outer = _current.set(context), _single.set(begun)
    try:
        yield
    finally:
        _single.reset(outer)
        _current.reset(current)
    for callback in begun.callbacks:
        try:
            callback()
        except Exception:
            # The facts are durable: as in Django's robust on_commit, what follows must not look like their failure.
            log.exception("transaction.callback_failed", context=context)


def _refuse_second(context: str) -> None:
    if (open_context := _current.get()) is not None:
        raise TransactionMisuse(
            f"a transaction of {open_context} is open: end it before {context} begins its own "
            "(one use case = one transaction = one context)"
        )


def note_statement(name: str) -> None:
    """Count a statement against a `single` transaction. Raises: TransactionMisuse where it is the second one."""
    if (begun := _single.get()) is None:
        return
    if begun.statement:
        raise TransactionMisuse(f"{name} after {begun.statement}: a single transaction has one statement")
    begun.statement = name


def is_single() -> bool:
    """Return whether the open transaction is one of a single statement."""
    return _single.get() is not None


def require(context: str) -> str:
    """Return the alias of `context`'s open transaction. Raises: TransactionMisuse where there is none."""
    if (open_context := _current.get()) != context:
        raise TransactionMisuse(
            f"this needs an open transaction of {context}; the open one is {open_context or 'none'}"
        )
    return alias_for(context)


def forbid() -> None:
    """Insist that no transaction is open: the outside world is never called inside one.

    Raises: TransactionMisuse where one is.
    """
    if (open_context := _current.get()) is not None:
        raise TransactionMisuse(f"a transaction of {open_context} is open: commit before calling the outside world")


def go_outside() -> None:
    """Insist that no transaction is open, and give back the pooled connections of this thread, right before a call.

    While a provider is waited for, another thread works with them. The next statement takes one again. A session, its
    settings and its prepared statements stay in the pool. Without a pool a connection is kept: to close it would cost
    more than to hold it. Raises: TransactionMisuse where a transaction is open.
    """
    forbid()
    for connection in connections.all(initialized_only=True):
        connection.hand_back()  # type: ignore[attr-defined]  # every connection is of shop.database


def after_commit(context: str, callback: Callable[[], object]) -> None:
    """Run `callback` once the open transaction of `context` is durable; at once where none is open."""
    if _current.get() == context and (begun := _single.get()) is not None:
        begun.callbacks.append(callback)
    elif _current.get() == context:
        django_transaction.on_commit(callback, using=alias_for(context), robust=True)
    else:
        callback()
