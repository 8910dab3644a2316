"""What becomes of guests: an account takes their orders along, or they are deleted (docs/adr/0040-guests.md).

# Note [Taken along]
An account has a guest's mailbox once it has verified it. A row then says that it takes the guest's orders along, and the sweep
asks the contexts that know orders. The guest stays as it was, and still sees the orders that it has placed: a stranger who
named the mailbox does not learn that it has become an account's. Whoever signs in with a verified mailbox asks again: for
orders placed since, and for what a crash between the verification and its row has lost.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import structlog
from allauth.account.signals import email_confirmed
from django.contrib.auth.signals import user_logged_in
from django.db.models.functions import Now

from shop import transactions
from shop.accounts.addresses import mailbox_proved
from shop.accounts.verified import verified_addresses
from shop.models import GuestTaking, IdempotencyKey, User
from shop.personal.accounts import is_erased
from shop.personal.keepers import BATCH, SETTLED, books
from shop.work.background import wake
from shop.work.rows import DueRows, whole
from shop.work.turn import Work, take_turn_in_sets

PRUNING_SWEEP = "shop.prune_guests"
TAKING_SWEEP = "shop.take_guests_along"
# How soon it is seen again whether a guest's orders are still kept.
LOOK_AGAIN = timedelta(days=30)

log = structlog.get_logger(__name__)


def take_guests_along(*, user_id: uuid.UUID) -> int:
    """Have the orders of the guests taken along whose mailbox this account has verified; return how many guests. Idempotent."""
    mailboxes = [each.lower() for each in verified_addresses(user_id=user_id)]
    guests = list(User.objects.filter(guest_email__in=mailboxes).values_list("pk", flat=True)) if mailboxes else []
    if not guests:
        return 0
    with transactions.transaction("shop"):
        takings = [GuestTaking(guest_id=each, customer_id=user_id, due_at=Now()) for each in guests]
        GuestTaking.objects.bulk_create(takings, ignore_conflicts=True)
        wake(TAKING_SWEEP, context="shop")
    log.info("guests.to_be_taken", user_id=str(user_id), guests=len(guests))
    return len(guests)


def carry_out(taking: GuestTaking) -> None:
    """Take a guest's orders along, unless the account has been erased meanwhile: then the guest is, too. Safe to do twice."""
    account = User.objects.filter(pk=taking.customer_id).first()
    if account is not None and not is_erased(account):
        for book in books():
            book.take_along(guest_id=taking.guest_id, customer_id=taking.customer_id)
    with transactions.transaction("shop"):
        GuestTaking.objects.filter(pk=taking.pk).delete()


def prune_guests(*, seconds: float | None = None) -> int:
    """Take a turn at the guests whose token is over; return how many were looked at.

    One with an order whose contact is kept stays, and is looked at again. What the others leave is an id that means nobody.
    """
    return take_turn_in_sets(sweep=PRUNING_SWEEP, context="shop", step=_look, seconds=seconds)


def _look() -> int:
    over = User.objects.filter(guest_until__lte=Now() - SETTLED).order_by("guest_until")
    page = list(over.values_list("pk", flat=True)[:BATCH])
    kept = {customer_id for book in books() for customer_id in book.kept_for(page)}
    with transactions.transaction("shop"):
        User.objects.filter(pk__in=kept).update(guest_until=Now() + LOOK_AGAIN)
        gone = [pk for pk in page if pk not in kept]
        IdempotencyKey.objects.filter(user_id__in=gone).delete()
        User.objects.filter(pk__in=gone, guest_email__isnull=False).delete()
    return len(page)


def _on_confirmed(*, email_address: Any, **_more: Any) -> None:
    take_guests_along(user_id=email_address.user_id)


def _on_user(*, user: Any, **_more: Any) -> None:
    take_guests_along(user_id=user.pk)


def connect() -> None:
    """Hear of mailboxes that are verified, and of sign-ins."""
    email_confirmed.connect(_on_confirmed, dispatch_uid="shop.guests.confirmed")
    mailbox_proved.connect(_on_user, dispatch_uid="shop.guests.proved")
    user_logged_in.connect(_on_user, dispatch_uid="shop.guests.signed_in")


TAKING: Work[GuestTaking] = Work(
    sweep=TAKING_SWEEP,
    rows=DueRows(model=GuestTaking, lease_seconds=lambda: 60.0, **whole(GuestTaking)),
    do=carry_out,
)
