"""Erasing a person: asked for once, carried out context by context, and resumed until nothing is left.

# Note [How an erasure ends]
The account goes first, so that no new order comes. Each context then erases in transactions of its own what its ended
orders hold; the context that finds the orders comes last, so that after a crash they are found again. An order that is
under way keeps what it needs and is looked at again. A request that was let in before the account went may still write:
so an erasure is finished by a look after SETTLED, never by its first one, and only where that look finds nothing.

An address outlives its erasure: others may send orders to it, and somebody may sign up with it. So an address finds only what
existed when the erasure was asked for, and a request that reaches further than an open one is a row of its own.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog
from django.db.models import Q
from django.db.models.functions import Now

from shop import clock, transactions
from shop.audit import Check, Violation, register_check
from shop.errors import Refusal
from shop.models import Erasure
from shop.observability.metrics import Reading
from shop.personal import accounts
from shop.personal.keepers import (
    SETTLED,
    FoundOrder,
    Person,
    Shortly,
    erase_orders,
    find_orders,
    keepers,
    waiting_among,
)
from shop.work.rows import DueRows, key_itself
from shop.work.turn import Work

log = structlog.get_logger(__name__)

# How soon an erasure that waits for an order is looked at again; after SETTLED where only that has to pass for one of them.
LOOK_AGAIN = timedelta(hours=1)
# Of the orders that it waits for, an erasure names so many.
MOST_NAMED = 20
OVERDUE = timedelta(minutes=15)


class PersonUnknown(Refusal):
    """Nothing is stored about this person: no account, no order, no kept answer."""

    code = "person_unknown"
    title = "Nothing is stored about this person"


@dataclass(frozen=True)
class Preview:
    """What an erasure would do now: how many records each context keeps, and which orders would have to wait, and why."""

    records: Mapping[str, int]
    orders: int
    waiting: Mapping[uuid.UUID, str]


def preview(person: Person) -> Preview:
    """Return what is kept of a person and what would wait; nothing is changed."""
    found = find_orders(person)
    order_ids = [each.order_id for each in found]
    records = {"accounts": sum(map(len, accounts.export(person, orders=found).values()))}
    for keeper in keepers():
        records[keeper.context] = sum(map(len, keeper.export(order_ids).values()))
    return Preview(records, len(found), waiting_among(order_ids))


def ask(person: Person, *, asked_by: str) -> uuid.UUID:
    """Write down that a person is to be erased, due now; return its id, or that of an open erasure that reaches all of it.

    Raises: PersonUnknown.
    """
    found = find_orders(person)
    if not accounts.is_known(person) and not found:
        raise PersonUnknown
    reaching = _open_that_reach(person, found)
    with transactions.transaction("shop"):
        standing = Erasure.objects.select_for_update().filter(pk__in=reaching, finished_at=None).first()
        if standing is not None:
            return standing.pk
        asked = Erasure.objects.create(
            user_id=person.user_id,
            guests=[str(each) for each in person.guests],
            addresses=list(person.addresses),
            account_emails=list(person.account_emails),
            asked_by=asked_by,
            due_at=Now(),
        )
    log.info("erasure.asked", erasure_id=str(asked.pk), asked_by=asked_by)
    return asked.pk


def _open_that_reach(person: Person, found: Sequence[FoundOrder]) -> list[uuid.UUID]:
    """Return the open erasures of the person's account and addresses that will erase these orders as well.

    One by the same address is not enough: it names the account that had the address then, and no later order.
    """
    if person.user_id is None:
        same = Q(pk__in=())
        for address in person.addresses:
            same |= Q(addresses__contains=[address])
    else:
        same = Q(user_id=person.user_id)
    return [
        row.pk
        for row in Erasure.objects.filter(same, finished_at=None)
        if set(person.addresses) <= set(row.addresses)
        and set(person.guests) <= set(_person_in(row).guests)
        and set(found) <= set(find_orders(_person_in(row)))
    ]


def _person_in(erasure: Erasure) -> Person:
    return Person(
        user_id=erasure.user_id,
        guests=tuple(uuid.UUID(each) for each in erasure.guests),
        addresses=tuple(erasure.addresses),
        account_emails=tuple(erasure.account_emails),
        before=erasure.asked_at,
    )


def carry_out(erasure_id: uuid.UUID) -> bool:
    """Erase what may go now; return whether the erasure is finished. Safe to do twice and at once from two places."""
    transactions.forbid()
    erasure = Erasure.objects.get(pk=erasure_id)
    if erasure.finished_at is not None:
        return True
    person = _person_in(erasure)
    changed = accounts.close(person)
    found = find_orders(person)
    waiting = waiting_among([each.order_id for each in found])
    free = [each for each in found if each.order_id not in waiting]
    own = [each.order_id for each in free if each.customer_id in person.customer_ids]
    received = [each for each in free if each.customer_id not in person.customer_ids]
    changed += accounts.forget_answers(person, orders=free)
    changed += erase_orders([each.order_id for each in received], whole=False)
    changed += erase_orders(own, whole=True)
    sessions_left = _end_sessions(erasure, person)
    settled = clock.database_now(alias=transactions.alias_for("shop")) >= erasure.asked_at + SETTLED
    finished = settled and not waiting and not changed and not sessions_left
    _note(erasure, finished=finished, waiting=waiting, at_once=sessions_left)
    log.info(
        "erasure.carried_out", erasure_id=str(erasure.pk), rows=changed, orders_waiting=len(waiting), finished=finished
    )
    return finished


def _end_sessions(erasure: Erasure, person: Person) -> bool:
    """Resume the walk through the sessions, or begin one; return whether some of it is left."""
    clean_since = erasure.sessions_clean_since
    present = clock.database_now(alias=transactions.alias_for("shop"))
    if clean_since is not None and (clean_since >= erasure.asked_at + SETTLED or present < erasure.asked_at + SETTLED):
        return False
    began_at = present if not erasure.sessions_read_to else erasure.sessions_began_at
    _gone, read_to = accounts.end_sessions(person, begin=erasure.sessions_read_to)
    walk = {"sessions_read_to": read_to, "sessions_began_at": began_at}
    if not read_to:
        walk["sessions_clean_since"] = began_at
    with transactions.transaction("shop"):
        Erasure.objects.filter(pk=erasure.pk, finished_at=None).update(**walk)
    return bool(read_to)


def _note(erasure: Erasure, *, finished: bool, waiting: Mapping[uuid.UUID, str], at_once: bool) -> None:
    """Write down how far it is; once it is finished, the addresses go as well."""
    rows = Erasure.objects.filter(pk=erasure.pk, finished_at=None)
    shortly = not waiting or any(isinstance(reason, Shortly) for reason in waiting.values())
    with transactions.transaction("shop"):
        if finished:
            nothing: dict[str, list[str]] = {"waiting_for": [], "guests": [], "addresses": [], "account_emails": []}
            rows.update(finished_at=Now(), due_at=None, last_error="", **nothing)
        else:
            rows.update(
                waiting_for=[f"{order_id}: {reason}" for order_id, reason in waiting.items()][:MOST_NAMED],
                due_at=Now() + (timedelta(0) if at_once else SETTLED if shortly else LOOK_AGAIN),
            )


def oldest_open() -> Reading:
    """Return for how many seconds the oldest erasure has not been finished, for the scrape of metrics."""
    asked_at = Erasure.objects.filter(finished_at=None).order_by("asked_at").values_list("asked_at", flat=True).first()
    if asked_at is None:
        return {(): 0.0}
    return {(): (clock.database_now(alias=transactions.alias_for("shop")) - asked_at).total_seconds()}


def _check_erasures() -> Iterator[Violation]:
    """Name the erasures that are overdue: no worker resumes them."""
    for row in Erasure.objects.filter(finished_at=None, due_at__lt=Now() - OVERDUE):
        yield Violation("I10", f"erasure {row.pk}", f"overdue since {row.due_at:%F %T} UTC: no worker is processing it")


def register_audit_check() -> None:
    """Have every audit check that erasures go on."""
    register_check(Check("I10", "shop", "every erasure goes on", _check_erasures))


ERASING = Work(
    sweep="shop.erase_persons",
    rows=DueRows(model=Erasure, lease_seconds=lambda: 120.0, read=key_itself),
    do=carry_out,
)
