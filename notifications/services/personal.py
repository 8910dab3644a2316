"""What notifications keeps of a person: which emails an order caused. Their addresses and texts are made when they are sent."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db.models import Case, F, Q, TextField, Value, When

from notifications.models import Email, EmailStatus, LinkRequest
from shop import transactions
from shop.personal.keepers import Keeper, Records, records_of


def export(order_ids: Sequence[UUID]) -> Records:
    """Return the emails of these orders: what they told, and when."""
    return {
        "emails": records_of(Email.objects.filter(order_id__in=order_ids).order_by("pk")),
        "link_requests": records_of(LinkRequest.objects.filter(order_id__in=order_ids).order_by("pk")),
    }


def waiting(order_ids: Sequence[UUID]) -> dict[UUID, str]:
    """Return the orders with an email that has yet to be sent or given up."""
    pending = Email.objects.filter(order_id__in=order_ids, status=EmailStatus.PENDING)
    return {email.order_id: f"the email {email.kind} waits to be sent" for email in pending}


def erase(order_ids: Sequence[UUID], *, whole: bool) -> int:
    """Erase what mail servers said of the address, and the digest of it."""
    with transactions.transaction("notifications"):
        asked = LinkRequest.objects.filter(order_id__in=order_ids).delete()[0]
        settled = Email.objects.filter(order_id__in=order_ids).exclude(status=EmailStatus.PENDING)
        told = Q(recipient_key__isnull=False) | ~Q(last_error="") & ~Q(status=EmailStatus.WITHHELD)
        erased = settled.filter(told).update(
            recipient_key=None,
            last_error=Case(
                When(status=EmailStatus.WITHHELD, then=F("last_error")), default=Value(""), output_field=TextField()
            ),
        )
        return int(erased + asked)


KEEPER = Keeper(context="notifications", export=export, waiting=waiting, erase=erase)
