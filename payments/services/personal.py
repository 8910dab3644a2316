"""What payments keeps of a person: the token of a card, and what staff wrote about a refund. Amounts stay."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db.models import Q

from payments.models import OPEN_DISPUTES, REFUND_UNDER_WAY, Dispute, Payment, Refund, StrayIntent
from shop import transactions
from shop.personal.facts import still_told
from shop.personal.keepers import Keeper, Records, records_of

_OPEN_REFUND = Q(status__in=REFUND_UNDER_WAY)


def export(order_ids: Sequence[UUID]) -> Records:
    """Return the payments, refunds and disputes. The provider has the card; these rows name it by the provider's ids."""
    return {
        "payments": records_of(Payment.objects.filter(order_id__in=order_ids).order_by("pk")),
        "disputes": records_of(Dispute.objects.filter(payment_id__in=order_ids).order_by("pk")),
        "refunds": records_of(Refund.objects.filter(payment_id__in=order_ids).order_by("pk")),
    }


def waiting(order_ids: Sequence[UUID]) -> dict[UUID, str]:
    """Return the orders whose money is not settled: a refund is under way or owed, a dispute is open, or the provider is still asked."""
    found: dict[UUID, str] = {}
    for payment in Payment.objects.filter(Q(owed_minor__gt=0) | Q(due_at__isnull=False), order_id__in=order_ids):
        owed = f"{payment.owed_minor} {payment.currency} in minor units are owed to the customer"
        found[payment.pk] = owed if payment.owed_minor else "the provider is asked about its payment"
    for order_id in Refund.objects.filter(_OPEN_REFUND, payment_id__in=order_ids).values_list("payment_id", flat=True):
        found.setdefault(order_id, "a refund is under way")
    disputed = Payment.objects.filter(order_id__in=order_ids, dispute_status__in=OPEN_DISPUTES)
    for order_id in disputed.values_list("pk", flat=True):
        found.setdefault(order_id, "its payment is disputed at the customer's bank")
    for order_id in StrayIntent.objects.filter(order_id__in=order_ids, settled_at=None).values_list(
        "order_id", flat=True
    ):
        found.setdefault(order_id, "money at the provider is not settled")
    return {**still_told("payments", order_ids), **found}


def erase(order_ids: Sequence[UUID], *, whole: bool) -> int:
    """Erase the tokens and the errors; the reasons of refunds too. Amounts and the provider's ids stay: the books need them."""
    if not whole:
        return 0
    with transactions.transaction("payments"):
        payments = Payment.objects.filter(order_id__in=order_ids, due_at=None)
        changed = payments.exclude(payment_method="", last_error="").update(
            payment_method="", refused=[], last_error=""
        )
        refunds = Refund.objects.filter(~_OPEN_REFUND, payment_id__in=order_ids)
        changed += refunds.exclude(reason="", last_error="").update(reason="", last_error="")
    return changed


KEEPER = Keeper(context="payments", export=export, waiting=waiting, erase=erase)
