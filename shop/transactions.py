"""The whole vocabulary of transactions: one use case = one transaction = one context.

`transaction(context)` opens one, `require(context)` insists on one, `forbid()` insists on none (before a call to the
outside world), `after_commit(fn)` runs once the facts are durable. Nothing else in the product opens a transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.db import connections
from django.db import transaction as django_transaction

_current: ContextVar[str | None] = ContextVar("current_context", default=None)


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
    if (open_context := _current.get()) is not None:
        raise TransactionMisuse(
            f"a transaction of {open_context} is open: end it before {context} begins its own "
            "(one use case = one transaction = one context)"
        )
    token = _current.set(context)
    try:
        with django_transaction.atomic(using=alias_for(context), durable=True):
            yield
    finally:
        _current.reset(token)


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


def after_commit(context: str, callback: Callable[[], object]) -> None:
    """Run `callback` once the open transaction of `context` is durable; at once where none is open."""
    if _current.get() == context:
        django_transaction.on_commit(callback, using=alias_for(context), robust=True)
    else:
        callback()
