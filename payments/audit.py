"""Payments' part of the audit: our rows by themselves, and our rows against the provider's list, to the cent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from datetime import timedelta

from django.db.models import F, Q

from payments.gateways import IntentSnapshot
from payments.models import (
    GIVEN_BACK,
    OPEN_DISPUTES,
    PAID,
    UNANSWERED,
    Dispute,
    DisputeStatus,
    Payment,
    PaymentStatus,
    Refund,
    RefundStatus,
    combined_status,
)
from payments.services.listed import Booked
from payments.services.reconcile import find_differences
from shop.audit import (
    BEGINNING,
    PAGE,
    SKEW,
    Check,
    Law,
    Violation,
    in_sql,
    note_rows,
    register_check,
    register_law,
    since,
)
from shop.audit.bus import register_bus_checks
from shop.audit.statuses import register_history_checks
from shop.ids import read_id

# How long an outcome may stay unknown before it counts as left behind.
RESOLVED_WITHIN = timedelta(hours=1)


def register() -> None:
    """Add the checks of payments to the audit."""
    book = _ProvidersBook()
    book.register("I4", "at most one capture per order at the provider")
    book.register("I11", "the provider's book and ours agree to the cent")
    register_check(Check("I4", "payments", "a payment says what its disputes stop and took", check_disputes))
    for law in LAWS:
        register_law("payments", law, **VALUES)
    register_bus_checks("payments")
    for model, born in (
        (Payment, {PaymentStatus.NEW, PaymentStatus.VOIDED}),
        (Refund, {RefundStatus.REQUESTED}),
        (Dispute, OPEN_DISPUTES),
    ):
        register_history_checks(model, born=born, since_field="created_at", changed_field="changed_at")


def check_disputes() -> Iterator[Violation]:
    """Yield payments that say otherwise than their disputes do how these stand and what they took, looked at twice."""
    disputed = Payment.objects.filter(Q(pk__in=Dispute.objects.values("payment_id")) | ~Q(dispute_status=""))
    for payment in disputed | Payment.objects.filter(lost_minor__gt=0):
        detail = _judge_disputes(payment)
        if detail and (detail := _judge_disputes(Payment.objects.get(pk=payment.pk))):
            yield Violation("I4", str(payment.pk), detail)


def _judge_disputes(payment: Payment) -> str:
    disputes = list(payment.disputes.select_related("payment"))
    if unknown := [dispute.status for dispute in disputes if dispute.status not in DisputeStatus.values]:
        return f"there is no status {unknown[0]} of a dispute"
    status = combined_status(dispute.status for dispute in disputes)
    lost = min(sum(dispute.lost_minor for dispute in disputes), payment.captured_minor)
    if (payment.dispute_status, payment.lost_minor) == (status, lost):
        return ""
    return (
        f"its disputes are {status or 'none'} and took {lost}, the payment says {payment.dispute_status or 'none'} "
        f"and {payment.lost_minor}"
    )


_PAYMENT = "'payment ' || p.order_id"
_REFUND = "format('refund %%s of order %%s', r.refund_id, r.payment_id)"
_STRAY = "format('stray intent %%s of order %%s', s.intent_id, s.order_id)"
_WEBHOOK = "format('webhook %%s of intent %%s', w.event_id, w.intent_id)"
_AMOUNTS = (
    "format('%%s: captured %%s of %%s, refunded %%s, set aside %%s, owed %%s, settled %%s, covered %%s', p.status, p.captured_minor,"
    " p.amount_minor, p.refunded_minor, p.refund_reserved_minor, p.owed_minor, p.settled_minor, p.covered_minor)"
)
# A chargeback that an appeal won may have left money to give back, though no refund failed.
_PROMISED = (
    "p.owed_minor + p.settled_minor + p.covered_minor > coalesce(r.failed, 0)"
    "  + (SELECT coalesce(sum(CASE d.currency WHEN p.currency THEN d.amount_minor ELSE p.captured_minor END), 0)"
    "   FROM payments_dispute AS d WHERE d.payment_id = p.order_id AND d.status NOT LIKE 'WARNING%%')"
)
_UNANSWERED, _GIVEN_BACK = in_sql(UNANSWERED), in_sql(GIVEN_BACK)
VALUES = {
    "resolved": RESOLVED_WITHIN,
    "overdue": timedelta(minutes=15),
    # Longer than any lease and than any wait for the next question; a bank is asked once a day in the end.
    "longest": timedelta(hours=2),
    "bank": timedelta(days=2),
    "disputed": list(map(str, OPEN_DISPUTES)),
}
LAWS = (
    Law(
        "I4",
        "one capture, of the order's total; refunds within it",
        f"SELECT {_PAYMENT}, {_AMOUNTS} FROM payments_payment AS p WHERE p.order_id >= %(first)s AND ("
        f"  p.captured_minor <> CASE WHEN p.status IN {in_sql(PAID)} THEN p.amount_minor ELSE 0 END"
        "  OR p.captured_minor < p.refunded_minor + p.settled_minor + greatest(p.refund_reserved_minor, p.owed_minor)"
        "  OR least(p.refunded_minor, p.refund_reserved_minor, p.owed_minor, p.settled_minor, p.covered_minor) < 0"
        "  OR p.covered_minor > p.lost_minor"
        "  OR p.covered_minor > 0 AND p.captured_minor > p.refunded_minor + p.settled_minor + p.owed_minor + p.lost_minor"
        "  OR p.owed_minor > 0 AND p.captured_minor < p.refunded_minor + p.owed_minor + p.lost_minor"
        "  OR p.status = 'CAPTURED' AND p.refunded_minor <> 0) ORDER BY p.order_id",
    ),
    Law(
        "I4",
        "a payment's sums are those of its refunds",
        f"SELECT {_PAYMENT}, format('its refunds add up to %%s given back, %%s set aside and %%s failed; %%s', coalesce(r.given, 0),"
        f"  coalesce(r.reserved, 0), coalesce(r.failed, 0), {_AMOUNTS}) FROM payments_payment AS p FULL JOIN"
        f"  (SELECT payment_id, sum(amount_minor) FILTER (WHERE status IN {_GIVEN_BACK}) AS given,"
        "   sum(amount_minor) FILTER (WHERE status = 'REQUESTED') AS reserved,"
        "   sum(amount_minor) FILTER (WHERE status = 'FAILED') AS failed FROM payments_refund"
        "   WHERE payment_id >= %(first)s GROUP BY payment_id) AS r ON r.payment_id = p.order_id"
        " WHERE p.order_id >= %(first)s AND (coalesce(r.given, 0) <> p.refunded_minor"
        "  OR coalesce(r.reserved, 0) <> p.refund_reserved_minor"
        "  OR coalesce(r.failed, 0) < p.owed_minor + p.settled_minor + p.covered_minor"
        f"  AND {_PROMISED}) ORDER BY 1",
    ),
    Law(
        "I9",
        "a payment holds what its status needs",
        f'SELECT {_PAYMENT}, format(\'%%s: intent %%s, declined "%%s", voided "%%s", %%s %%s, attempt %%s, %%s refused, changed %%s\', p.status,'
        "  coalesce(p.intent_id, 'none'), p.decline_code, p.void_reason, p.amount_minor, p.currency, p.attempt,"
        "  jsonb_array_length(p.refused), p.changed_at)"
        " FROM payments_payment AS p WHERE p.order_id >= %(first)s AND ("
        "  p.intent_id IS NULL AND p.status NOT IN ('NEW', 'DECLINED', 'VOIDED') OR p.intent_id = ''"
        "  OR p.intent_id IS NOT NULL AND p.status = 'NEW'"
        "  OR p.attempt < greatest(1, jsonb_array_length(p.refused))"
        "  OR p.may_try_another AND p.status = 'DECLINED' AND (p.intent_id IS NULL OR p.refused -> -1 ->> 0 <> p.payment_method)"
        "  OR p.status = 'DECLINED' AND p.decline_code = '' OR (p.void_reason <> '') <> (p.status = 'VOIDED')"
        "  OR (p.amount_minor = 0 OR p.currency = 'XXX') AND p.status <> 'VOIDED'"
        f"  OR greatest(p.created_at, p.changed_at, p.attempt_began_at) > now() + {SKEW}) ORDER BY p.order_id",
    ),
    Law(
        "I9",
        "a refund holds what its status needs",
        f"SELECT {_REFUND}, format('%%s: at the provider %%s, created %%s, changed %%s', r.status,"
        "  coalesce(r.provider_refund_id, 'none'), r.created_at, r.changed_at) FROM payments_refund AS r"
        " WHERE r.payment_id >= %(first)s AND ("
        f"  coalesce(r.provider_refund_id, '') = '' AND r.status IN {_GIVEN_BACK} OR r.attempt < 1"
        f"  OR greatest(r.created_at, r.changed_at, r.attempt_began_at) > now() + {SKEW}) ORDER BY r.refund_id",
    ),
    Law(
        "I10",
        "no payment and no refund is left without an outcome",
        f"SELECT {_PAYMENT}, format('%%s since %%s', p.status, p.changed_at) FROM payments_payment AS p"
        f" WHERE p.status IN {_UNANSWERED} AND p.changed_at < now() - %(resolved)s"
        f" UNION ALL SELECT {_REFUND}, format('without an answer since %%s', r.created_at) FROM payments_refund AS r"
        " WHERE r.status = 'REQUESTED' AND r.created_at < now() - %(resolved)s"
        " UNION ALL SELECT 'payment ' || d.payment_id, format('dispute %%s is %%s, and nobody asks how it stands',"
        "  d.provider_dispute_id, d.status) FROM payments_dispute AS d WHERE d.status = ANY(%(disputed)s)"
        "  AND (d.due_at >= now() - %(resolved)s) IS NOT TRUE"
        f" UNION ALL SELECT {_STRAY}, format('not settled since %%s', s.found_at) FROM payments_strayintent AS s"
        " WHERE s.settled_at IS NULL AND s.found_at < now() - %(resolved)s",
    ),
    Law(
        "I10",
        "whatever has no outcome is asked about",
        f"SELECT {_PAYMENT}, format('%%s, and asked about at %%s', p.status, p.due_at) FROM payments_payment AS p"
        f" WHERE p.due_at > now() + %(longest)s OR p.status IN {_UNANSWERED} AND p.due_at IS NULL"
        f" UNION ALL SELECT {_REFUND}, format('%%s, and asked about at %%s', r.status, r.due_at) FROM payments_refund AS r"
        " WHERE CASE r.status WHEN 'REQUESTED' THEN r.due_at IS NULL OR r.due_at > now() + %(longest)s"
        "  WHEN 'PENDING' THEN r.due_at IS NULL AND r.changed_at < now() - %(overdue)s OR r.due_at > now() + %(bank)s"
        "  ELSE r.due_at > now() + %(longest)s END"
        f" UNION ALL SELECT {_STRAY}, format('settled %%s, and due at %%s', s.settled_at, s.due_at) FROM payments_strayintent AS s"
        " WHERE CASE WHEN s.settled_at IS NULL THEN s.due_at IS NULL OR s.due_at > now() + %(longest)s"
        f"  ELSE s.due_at IS NOT NULL OR s.settled_at > now() + {SKEW} END",
    ),
    Law(
        "I10",
        "every webhook is applied",
        f"SELECT {_WEBHOOK}, format('applied %%s, due at %%s, received %%s', w.applied_at, w.due_at, w.received_at)"
        " FROM payments_webhookevent AS w WHERE CASE WHEN w.applied_at IS NULL"
        "  THEN w.due_at IS NULL OR w.due_at NOT BETWEEN now() - %(overdue)s AND now() + %(longest)s"
        f"  ELSE w.due_at IS NOT NULL OR w.applied_at > now() + {SKEW} END ORDER BY w.id",
    ),
)


class _Captures:
    """Counts the intents that keep money of orders for which one of them is not our payment's: few, if any."""

    def __init__(self) -> None:
        self._strays: Counter[str] = Counter()
        self._listed = 0

    def note(self, intent: IntentSnapshot, booked: Booked | None) -> None:
        """Note an intent that the provider lists, and our payment by it."""
        self._listed += 1
        if not self._listed % PAGE:
            note_rows(PAGE)
        if booked is None and intent.captured.minor > intent.refunded.minor:
            self._strays[intent.order_id] += 1

    def several(self) -> Iterator[tuple[str, int]]:
        """Yield the orders of which more than one intent keeps money."""
        for order_id, strays in self._strays.items():
            known = read_id(order_id)
            own = Payment.objects.filter(pk=known, captured_minor__gt=F("refunded_minor")) if known else None
            count = strays + bool(own and own.exists())
            if count > 1:
                yield order_id, count


class _ProvidersBook:
    """The provider's book, read once for the checks of I4 and I11, page by page and looked at twice where it differs.

    A call to the provider for each hundred payments: a shop of a million reads for a quarter of an hour.
    """

    def judge(self, checks: Collection[Check]) -> Iterator[tuple[Check, Violation]]:
        """Yield what these checks find. Raises: Fault where the provider cannot be asked."""
        wanted = {check.promise: check for check in checks}
        captures = _Captures()
        for difference in find_differences(since=since() or BEGINNING, note=captures.note):
            if check := wanted.get("I11"):
                detail = f"{difference.intent_id}: {difference.detail}"
                yield check, Violation("I11", difference.order_id, detail)
        if check := wanted.get("I4"):
            for order_id, count in captures.several():
                yield check, Violation("I4", order_id, f"{count} intents keep money at the provider")

    def register(self, promise: str, title: str) -> None:
        """Have every audit make this check."""
        check = Check(promise, "payments", title, lambda: (found for _check, found in self.judge([check])), self)
        register_check(check)
