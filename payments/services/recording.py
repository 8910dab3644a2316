"""Records what the provider showed: the one place where an intent's state becomes a payment's status.

Every move is compare-and-set from the statuses that MOVES allows, so a snapshot that is out of date moves
nothing. An intent that is not the one we asked for is never recorded.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

import msgspec
import structlog
from django.db.models.functions import Now

from payments import metrics, rules
from payments.events import (
    PaymentActionRequired,
    PaymentAuthorized,
    PaymentBecameUnknown,
    PaymentCaptured,
    PaymentFailed,
    PaymentVoided,
)
from payments.gateways import IntentSnapshot, PaymentUnknown, ProviderMismatch, provider
from payments.models import MOVES, Payment, PaymentStatus, Refund
from payments.queries import PaymentState, to_state
from shop import clock, transactions
from shop.events.event import Event
from shop.events.outbox import fact
from shop.events.publishing import announce
from shop.resilience.retry import backoff_seconds
from shop.statements import Statement, names

log = structlog.get_logger(__name__)
Keyed = TypeVar("Keyed", Payment, Refund)

MOVE_PAYMENT = Statement("payments", "move_payment")
SETTLED = ("intent_id", "captured_minor", "decline_code", "may_try_another", "payment_method", "void_reason")

# While we wait for an answer, ask again after this long; webhooks are usually faster.
ASK_AGAIN = timedelta(seconds=30)
ASK_AGAIN_AFTER_UNKNOWN = timedelta(seconds=2)


def load(order_id: UUID) -> Payment:
    """Return the row of an order's payment. Raises: Payment.DoesNotExist."""
    return Payment.objects.get(pk=order_id)


def check_is_ours(payment: Payment, intent: IntentSnapshot) -> None:
    """Raise ProviderMismatch unless the intent is for this order, amount, currency and mode."""
    wrong = rules.mismatches(
        seen_order_id=intent.order_id,
        seen_amount=intent.amount,
        seen_livemode=intent.livemode,
        order_id=payment.order_id,
        amount=payment.amount,
        livemode=provider().is_live,
    )
    if payment.intent_id not in (None, intent.intent_id):
        wrong = (*wrong, "intent_id")
    if intent.captured.minor not in (0, payment.amount_minor):
        wrong = (*wrong, "captured")
    if wrong:
        log.error("payment.provider_mismatch", order_id=str(payment.order_id), intent_id=intent.intent_id, wrong=wrong)
        raise ProviderMismatch(f"{intent.intent_id} differs from our payment in {', '.join(wrong)}", wrong=wrong)


def record_intent(
    payment: Payment,
    intent: IntentSnapshot,
    *,
    void_reason: str = "canceled_at_provider",
    answered: bool = False,
) -> Payment:
    """Move `payment` to what the intent implies, if it may still go there; return the payment as it then stands.

    One commit where there is a move to try, none where the intent says nothing new. `answered`: the order's own call
    learns of the move by its answer.
    Raises: ProviderMismatch, and then nothing is recorded.
    """
    check_is_ours(payment, intent)
    move = MOVES.get(intent.status)
    if move is None or payment.status not in move[1]:
        return payment
    told, expected = move
    event, columns = _consequences(payment, intent, told, void_reason, answered)
    return change(payment, expected=expected, event=event, **columns)


def change(
    payment: Payment,
    *,
    expected: Collection[str],
    event: Event,
    ask_after: timedelta | None = None,
    attempts: int = 0,
    last_error: str = "",
    renew: bool = False,
    tried: int | None = None,
    refused: Sequence[tuple[str, str]] = (),
    **columns: Any,
) -> Payment:
    """Move a payment to the status that `event` tells of, in a transaction of its own; return it as it then stands.

    Somebody else may have moved it first.

    `ask_after`: when the sweep asks the provider how it stands, never where None. `renew`: with keys of another attempt.
    `tried`: only while so many payment methods are over; `refused`: those that this move ends, each with its decline code.
    `columns`: those of SETTLED that the move settles.
    """
    to = Payment.status_after(event, expected=expected)
    with transactions.single("payments"):
        # Lost in a crash, a capture is found by asking. Whatever else is recorded decides what may be done outside.
        moved = MOVE_PAYMENT.one(
            asynchronous=to == PaymentStatus.CAPTURED,
            order_id=payment.order_id,
            expected=names(tuple(expected)),
            to=to,
            due_seconds=None if ask_after is None else ask_after.total_seconds(),
            attempts=attempts,
            last_error=last_error,
            renewed=int(renew),
            tried=tried,
            refused=msgspec.json.encode(refused).decode(),
            **dict.fromkeys(SETTLED) | columns,
            **fact(event),
        )
        if moved is not None:
            announce(event)
    if moved is None:
        return load(payment.order_id)
    for _method, code in refused:
        metrics.count_refusal(code)
    payment.status, payment.version = to, moved[0]
    payment.attempt += renew
    payment.refused = [*payment.refused, *map(list, refused)]
    for name, value in columns.items():
        setattr(payment, name, value)
    log.info(event.type, order_id=str(payment.order_id), status=to, amount_minor=payment.amount_minor)
    return payment


def _consequences(
    payment: Payment, intent: IntentSnapshot, told: type[Event], void_reason: str, answered: bool
) -> tuple[Event, dict[str, Any]]:
    order_id = payment.order_id
    if told is PaymentActionRequired:
        return PaymentActionRequired(order_id=order_id), {"ask_after": ASK_AGAIN, "tried": len(payment.refused)}
    if told is PaymentFailed:
        code = intent.decline_code or "card_declined"
        failed = PaymentFailed(order_id=order_id, decline_code=code, answered=answered)
        return failed, refusal(payment, code, final=not intent.may_try_another)
    if told is PaymentAuthorized:
        return PaymentAuthorized(order_id=order_id, amount=payment.amount, answered=answered), {}
    if told is PaymentCaptured:
        event = PaymentCaptured(order_id=order_id, amount=payment.amount, answered=answered)
        return event, {"captured_minor": payment.amount_minor}
    return PaymentVoided(order_id=order_id, reason=void_reason, answered=answered), {"void_reason": void_reason}


def refusal(payment: Payment, code: str, *, final: bool) -> dict[str, Any]:
    """Return what is written where the present payment method is refused. See rules.py, Note [Another card]."""
    kind = rules.kind_of_refusal(code)
    return {
        "decline_code": code,
        "may_try_another": rules.may_follow(refused_for=kind, has_intent=payment.intent_id is not None, final=final),
        "tried": len(payment.refused),
        "refused": [(payment.payment_method, code)],
    }


def record_unanswered(payment: Payment, error: PaymentUnknown) -> None:
    """Note that an answer did not come: a confirmation leaves the payment UNKNOWN, other calls its status as it is.

    Either way the provider is asked soon, and a key that will only repeat its failure is replaced.
    """
    if error.operation == "confirm" and payment.status == PaymentStatus.SUBMITTED:
        change(
            payment,
            expected=[PaymentStatus.SUBMITTED],
            event=PaymentBecameUnknown(order_id=payment.order_id, operation=error.operation),
            ask_after=ASK_AGAIN_AFTER_UNKNOWN,
            attempts=payment.attempts + 1,
            last_error=error.detail,
            renew=error.key_is_spent,
            tried=len(payment.refused),
        )
        return
    columns = unanswered(payment, error)
    if payment.intent_id is None:
        del columns["due_at"]  # there is nothing yet to ask about
    note(payment, **columns)


def unanswered(row: Payment | Refund, error: PaymentUnknown) -> dict[str, Any]:
    """Return what is noted of an answer that did not come: when to ask, and other keys where the old ones only repeat it."""
    attempts = row.attempts + 1
    wait = timedelta(seconds=backoff_seconds(attempts, first=2))
    noted = {"due_at": Now() + wait, "attempts": attempts, "last_error": error.detail}
    return noted | _other_keys(row) if error.key_is_spent else noted


def are_keys_expired(row: Payment | Refund) -> bool:
    """Return whether the provider may have forgotten the keys under which this row's attempt was sent."""
    return rules.keys_expired(first_used_at=row.attempt_began_at, now=clock.now(), lifetime=provider().key_lifetime)


def renew_keys(row: Keyed) -> Keyed:
    """Begin another attempt with keys of its own, once the provider was asked and the old keys may be forgotten."""
    note(row, **_other_keys(row))
    return type(row)._default_manager.get(pk=row.pk)


def _other_keys(row: Payment | Refund) -> dict[str, Any]:
    return {"attempt": row.attempt + 1, "attempt_began_at": Now()}


def note(row: Payment | Refund, **columns: Any) -> None:
    """Write columns beside the status in a transaction of its own, if nobody moved the row since it was read."""
    with transactions.transaction("payments"):
        rows = type(row)._default_manager.filter(pk=row.pk, version=row.version, attempt=row.attempt)
        rows.update(**columns)


def to_state_with_challenge(payment: Payment, intent: IntentSnapshot | None) -> PaymentState:
    """Return the state for other contexts; with what the customer needs to authenticate, while that is asked for."""
    if intent is not None and payment.status == PaymentStatus.REQUIRES_ACTION:
        return to_state(payment, client_secret=intent.client_secret, next_action=intent.next_action)
    return to_state(payment)
