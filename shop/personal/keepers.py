"""Who keeps personal data of orders: each context, by its own functions, registered in its apps.py.

The kernel asks them in turn and reads no table of theirs.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Model

# What stands in place of a text that is erased. RFC 2606: no mail reaches a name under .invalid.
ERASED = "erased"
ERASED_DOMAIN = "erased.invalid"
ERASED_EMAIL = f"{ERASED}@{ERASED_DOMAIN}"

# Longer than a request, a task with its lease, or a fact on its way can take.
SETTLED = timedelta(minutes=5)
# How many orders are read or erased at once: one transaction in each context.
BATCH = 100


class Shortly(str):
    """A reason to wait that is gone within SETTLED, without anybody's help."""

    __slots__ = ()


Records = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True, kw_only=True)
class Person:
    """Whose data it is: an account, email addresses in small letters, or both.

    `addresses` are known to be this person's: orders are found by them. `account_emails` are what the account says; they are
    only searched for in what belongs to the account. `before`: an address finds only what existed at this moment; None: all.
    The account's own rows are found whenever they were made, and so are those of `guests`, whose mailbox is one of the addresses.
    """

    user_id: uuid.UUID | None = None
    guests: tuple[uuid.UUID, ...] = ()
    addresses: tuple[str, ...] = ()
    account_emails: tuple[str, ...] = ()
    before: datetime | None = None

    @property
    def customer_ids(self) -> tuple[uuid.UUID, ...]:
        """Under which ids the person has placed orders: the account's, and those of guests."""
        return self.guests if self.user_id is None else (self.user_id, *self.guests)


@dataclass(frozen=True)
class FoundOrder:
    """An order of a person. `customer_id`: who placed it, which is somebody else where it only went to this person."""

    order_id: uuid.UUID
    customer_id: uuid.UUID


@dataclass(frozen=True, kw_only=True)
class Keeper:
    """What one context can do about the personal data of orders. All functions read and write its own tables only.

    `export(order_ids)` returns its rows by kind. `waiting(order_ids)` names the orders that still need the data, with the
    reason: a Shortly where nothing but time has to pass. `erase(order_ids, whole=...)` erases in one transaction and
    returns how many rows it changed; it is safe to do twice. Not `whole`: only what tells of the recipient, since
    somebody else has placed these orders.
    """

    context: str
    export: Callable[[Sequence[uuid.UUID]], Records]
    waiting: Callable[[Sequence[uuid.UUID]], Mapping[uuid.UUID, str]]
    erase: Callable[..., int]


@dataclass(frozen=True)
class AgedPage:
    """Ended orders of a page that are past their retention; `last` is the page's last id, None where younger ones begin."""

    order_ids: tuple[uuid.UUID, ...]
    last: uuid.UUID | None


@dataclass(frozen=True, kw_only=True)
class OrderBook:
    """The context that knows whose orders there are. `find(person)`; `older(than, after)` returns a page by rising id.

    `kept_for(customer_ids)` returns those of them that have an order whose contact is kept. `take_along(guest_id,
    customer_id)` makes a guest's orders an account's, and returns how many were not yet.
    """

    find: Callable[[Person], Sequence[FoundOrder]]
    older: Callable[[timedelta, uuid.UUID], AgedPage]
    kept_for: Callable[[Sequence[uuid.UUID]], Collection[uuid.UUID]]
    take_along: Callable[..., int]


@dataclass
class _Registry:
    keepers: dict[str, Keeper] = field(default_factory=dict)
    books: dict[str, OrderBook] = field(default_factory=dict)


_registry = _Registry()


def register_keeper(keeper: Keeper, *, book: OrderBook | None = None) -> None:
    """Have exports and erasures ask `keeper`; with `book`, have them find the orders there."""
    _registry.keepers[keeper.context] = keeper
    if book is not None:
        _registry.books[keeper.context] = book


def keepers() -> list[Keeper]:
    """Return every keeper; those that find the orders come last, so that what is half erased is found again."""
    return sorted(_registry.keepers.values(), key=lambda keeper: (keeper.context in _registry.books, keeper.context))


def books() -> list[OrderBook]:
    """Return who finds the orders."""
    return list(_registry.books.values())


def find_orders(person: Person) -> list[FoundOrder]:
    """Return the orders that the person placed, and those placed before `person.before` that go to one of their addresses."""
    return [found for book in books() for found in book.find(person)]


def waiting_among(order_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, str]:
    """Return which of these orders still need their data, with the reason that the first context gives."""
    waiting: dict[uuid.UUID, str] = {}
    for batch in in_batches(order_ids):
        for keeper in reversed(keepers()):
            for order_id, reason in keeper.waiting(batch).items():
                waiting.setdefault(order_id, reason)
    return waiting


def in_batches(order_ids: Sequence[uuid.UUID]) -> Iterator[Sequence[uuid.UUID]]:
    """Yield the ids BATCH at a time."""
    for start in range(0, len(order_ids), BATCH):
        yield order_ids[start : start + BATCH]


def erase_orders(order_ids: Sequence[uuid.UUID], *, whole: bool) -> int:
    """Erase the personal data of these orders, context by context; return how many rows were changed."""
    return sum(keeper.erase(batch, whole=whole) for batch in in_batches(order_ids) for keeper in keepers())


def records_of(rows: Iterable[Model], *, without: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return rows as plain data, every column by its name but `without`: uuids, moments and JSON as JSON has them."""
    return [
        {
            column.attname: _plain(getattr(row, column.attname))
            for column in row._meta.concrete_fields
            if column.attname not in without
        }
        for row in rows
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, uuid.UUID):
        return str(value)
    return value.isoformat() if isinstance(value, datetime) else value
