"""The reverse comparison of the two books: money that we record as taken or held, of which the provider has never heard.

Ours is read a page at a time and held against what the provider lists of the page's time; what is not listed is asked for by
its id. So memory doesn't grow with the number of orders, and a list that lags behind accuses nobody. A page is long: what
the provider lists beyond its ends, it lists again for the next one.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db.models import Q

from payments.gateways import Obstacle, PaymentUnknown, ProviderRefused, provider
from payments.models import Payment, PaymentStatus
from payments.services.listed import CLOCK_SKEW, Booked
from shop.clock import now
from shop.ids import first_id_at
from shop.money import Money

PAGE = 20_000
# An intent is made right after its payment is recorded; one made later is asked for by its id.
MADE_WITHIN = timedelta(minutes=5)
# A payment is opened while its order may be paid; an order that staff keep open for longer is older than a day seldom.
ORDERED_WITHIN = timedelta(days=1)

HOLDS_MONEY = Q(captured_minor__gt=0) | Q(status=PaymentStatus.AUTHORIZED)


# What is captured stays so; a payment that is older is captured seldom while its provider's list is read.
SETTLED_AFTER = timedelta(hours=1)


class WayBack:
    """The reverse comparison, once all that the provider lists since then was matched with our payments.

    As many captures as ours were matched: so none of ours is missing, and only those too young to be counted are looked for.
    """

    def __init__(self, *, since: datetime) -> None:
        """Count ours before the provider's list is read."""
        self._since, self._until = since, now() - SETTLED_AFTER
        self._before, self._matched = self._count(), 0

    def note(self, booked: Booked | None) -> None:
        """Note a payment of ours that the provider lists."""
        if booked is not None and booked.captured_minor and self._since <= booked.created_at < self._until:
            self._matched += 1

    def iter_missing(self) -> Iterator[tuple[Payment, str]]:
        """Yield as `iter_missing`."""
        if self._since >= self._until or not self._before == self._matched == self._count():
            yield from iter_missing(since=self._since)
            return
        held = Payment.objects.filter(status=PaymentStatus.AUTHORIZED, created_at__lt=self._until)
        for order_id in held.values_list("pk", flat=True).iterator(chunk_size=1000):
            if missing := _ask_if_missing(order_id):
                yield missing
        yield from iter_missing(since=self._until)

    def _count(self) -> int:
        old = Payment.objects.filter(captured_minor__gt=0, created_at__gte=self._since, created_at__lt=self._until)
        return old.count()


class _Held(NamedTuple):
    """A payment that holds money here, as far as a page of them needs it."""

    order_id: UUID
    intent_id: str | None
    created_at: datetime


def iter_missing(*, since: datetime) -> Iterator[tuple[Payment, str]]:
    """Yield our payments since then that hold money here and do not exist at the provider, with what differs.

    Raises: PaymentUnknown, PaymentProviderUnavailable.
    """
    for page in _pages(since):
        listed = _find_listed(page)
        for held in page:
            if held.intent_id not in listed and (missing := _ask_if_missing(held.order_id)):
                yield missing


def _pages(since: datetime) -> Iterator[list[_Held]]:
    """Yield our payments with money by their orders' ids, which rise with time: what is older than `since` is not read."""
    payments = Payment.objects.filter(HOLDS_MONEY, created_at__gte=since).order_by("pk")
    rows = payments.values_list("order_id", "intent_id", "created_at")
    after = first_id_at(since - ORDERED_WITHIN)
    while page := [_Held(*row) for row in rows.filter(pk__gt=after)[:PAGE]]:
        yield page
        after = page[-1].order_id


def _find_listed(page: list[_Held]) -> set[str]:
    """Return which of these payments' intents the provider lists."""
    wanted = {held.intent_id for held in page}
    first, last = min(held.created_at for held in page), max(held.created_at for held in page)
    intents = provider().iter_intents(since=first - CLOCK_SKEW, until=last + MADE_WITHIN)
    return {intent.intent_id for intent in intents if intent.intent_id in wanted}


def _ask_if_missing(order_id: UUID) -> tuple[Payment, str] | None:
    """Ask for one intent by its id; return our payment as it stands now and in what it differs, None where it is there."""
    payment = Payment.objects.filter(HOLDS_MONEY, pk=order_id).first()
    if payment is None:
        return None
    if payment.intent_id is not None:
        try:
            provider().retrieve_intent(intent_id=payment.intent_id)
        except ProviderRefused as error:
            if error.obstacle is not Obstacle.NOTHING_THERE:
                raise PaymentUnknown(error.detail, operation="retrieve", order_id=order_id) from error
        else:
            return None
    held = payment.captured_minor or payment.amount_minor
    word = "captured" if payment.captured_minor else "authorized"
    return payment, f"{word} {Money(held, payment.currency)} here, and the provider knows no such intent"
