"""What payments remembers of refunds, and which facts tell of an email."""

from uuid import UUID

from notifications.models import Email, Outbox
from orders.rules import id_of_full_refund
from payments.models import Payment, Refund
from shop.ids import new_id


def record_refunds(order_id: UUID, *, parts: tuple[int, ...], by_cancel: int) -> None:
    """Have payments remember a capture of which each cent went back: in parts, and then by the order's cancel."""
    total = sum(parts) + by_cancel
    payment = Payment.objects.create(
        order_id=order_id,
        status="REFUNDED",
        amount_minor=total,
        captured_minor=total,
        refunded_minor=total,
        currency="EUR",
        intent_id=f"pi_{order_id.hex}",
    )
    made = [(new_id(), minor) for minor in parts]
    made += [(id_of_full_refund(order_id), by_cancel)] if by_cancel else []
    for refund_id, minor in made:
        Refund.objects.create(refund_id=refund_id, payment=payment, amount_minor=minor, status="SUCCEEDED")


def facts_of(email: Email) -> list[str]:
    return list(Outbox.objects.filter(aggregate_id=email.pk).order_by("id").values_list("type", flat=True))
