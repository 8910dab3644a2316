"""Authorize: hold the order's amount on the card, once, whatever gets lost on the way.

Three commits on the way that succeeds: the payment with its keys (NEW), the unconfirmed intent's id (SUBMITTED), the
outcome. The confirmation, the only call that can hold money, is sent after SUBMITTED is durable and never before.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

import structlog
from django.db import connections
from django.db.models.functions import Now

from payments import rules
from payments.events import PaymentFailed, PaymentOpened, PaymentSubmitted
from payments.gateways import (
    CardRefused,
    IntentSnapshot,
    PaymentUnknown,
    ProviderRefused,
    provider,
)
from payments.models import Payment, PaymentStatus
from payments.queries import PaymentState
from payments.services.recording import (
    ASK_AGAIN,
    change,
    check_is_ours,
    load,
    record_intent,
    record_unanswered,
    renew_keys,
    shown,
)
from payments.services.strays import abandon_intent
from shop import clock, transactions
from shop.errors import Refusal
from shop.events.outbox import publish
from shop.money import Money

log = structlog.get_logger(__name__)

UNANSWERED = (PaymentStatus.SUBMITTED, PaymentStatus.UNKNOWN)
# Refusals that say something about another call, not about this card: the same again may go through.
PASSING_REFUSALS = ("idempotency_error", "payment_intent_unexpected_state")
# The provider's clock and ours may differ by this much when we look for an intent whose id never reached us.
CLOCK_SKEW = timedelta(minutes=10)


class CardDeclined(Refusal):
    """The bank refused the card."""

    code = "card_declined"
    title = "The card was declined"
    http_status = 402

    def __init__(self, *, order_id: UUID, decline_code: str) -> None:
        super().__init__(f"the card was declined ({decline_code})", order_id=order_id, decline_code=decline_code)


class PaymentClosed(Refusal):
    """The payment was voided, maybe before it began: nothing can be charged for this order any more."""

    code = "payment_closed"
    title = "This payment is closed"


def authorize_payment(*, order_id: UUID, amount: Money, payment_method: str) -> PaymentState:
    """Hold `amount` on the card behind the provider's token `payment_method`; AUTHORIZED or REQUIRES_ACTION.

    Idempotent by order_id: a repeated call answers with how the payment stands, and asks the provider where that is not
    known. Safe to run from two workers at once.
    Raises: CardDeclined, PaymentClosed, UnchargeableAmount; PaymentUnknown (the payment then is UNKNOWN, or has not
    been submitted), PaymentProviderUnavailable (nothing was sent), ProviderMismatch; ValueError where an order's
    payment is asked for again with another amount or card.
    """
    transactions.forbid()
    rules.to_provider_amount(amount)
    payment = _open(order_id, amount, payment_method)
    if payment.status == PaymentStatus.NEW:
        payment, intent = _submit(payment)
    else:
        intent = None
    if payment.status in UNANSWERED:
        return _confirm_submitted(payment, intent)
    if payment.status == PaymentStatus.REQUIRES_ACTION:
        asked = provider().retrieve_intent(intent_id=payment.intent_id or "")
        return _answer(record_intent(payment, asked), asked)
    return _answer(payment)


def _open(order_id: UUID, amount: Money, payment_method: str) -> Payment:
    """Insert the NEW row, or return the row that stands there already: an earlier call's, or a void's tombstone."""
    payment = Payment(
        order_id=order_id, amount_minor=amount.minor, currency=amount.currency, payment_method=payment_method
    )
    with transactions.transaction("payments"):
        if insert_first(payment):
            publish(PaymentOpened(order_id=order_id, amount=amount), aggregate_id=order_id, aggregate_version=1)
            payment.attempt_began_at = payment.created_at = clock.now()
            return payment
    standing = load(order_id)
    if standing.status != PaymentStatus.VOIDED and (standing.amount, standing.payment_method) != (
        amount,
        payment_method,
    ):
        raise ValueError(f"order {order_id} is being paid already: {standing.amount} by {standing.payment_method}")
    return standing


def insert_first(payment: Payment) -> bool:
    """Insert the row unless its order has one; say whether it was inserted. A second inserter waits for the first."""
    connection = connections[transactions.require("payments")]
    table = connection.ops.quote_name(Payment._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} (order_id, status, version, amount_minor, currency, payment_method, void_reason,"
            " attempts, last_error) VALUES (%s, %s, 1, %s, %s, %s, %s, 0, '') ON CONFLICT (order_id) DO NOTHING",
            [
                payment.order_id,
                str(payment.status),
                payment.amount_minor,
                payment.currency,
                payment.payment_method,
                payment.void_reason,
            ],
        )
        return bool(cursor.rowcount)


def _submit(payment: Payment) -> tuple[Payment, IntentSnapshot | None]:
    """Make the unconfirmed intent and store its id. An intent that loses this race is canceled: it holds nothing."""
    try:
        intent = _find_or_create(payment)
    except (ProviderRefused, CardRefused) as error:
        code = error.provider_code if isinstance(error, ProviderRefused) else error.decline_code
        return _decline(payment, code, expected=[PaymentStatus.NEW]), None
    except PaymentUnknown as error:
        record_unanswered(payment, error)
        raise
    check_is_ours(payment, intent)
    payment = change(
        payment,
        expected=[PaymentStatus.NEW],
        to=PaymentStatus.SUBMITTED,
        event=PaymentSubmitted(order_id=payment.order_id),
        intent_id=intent.intent_id,
        due_at=Now() + ASK_AGAIN,
        attempts=0,
    )
    if payment.intent_id != intent.intent_id:
        abandon_intent(order_id=payment.order_id, intent=intent)
        return payment, None
    # The snapshot is good news only to the call that stored it: another one may have confirmed meanwhile.
    return payment, intent if payment.version == 2 else None  # noqa: PLR2004


def _find_or_create(payment: Payment) -> IntentSnapshot:
    if rules.keys_expired(first_used_at=payment.attempt_began_at, now=clock.now()):
        found = provider().find_intent(order_id=payment.order_id, since=payment.created_at - CLOCK_SKEW)
        if found is not None:
            return found
        payment = renew_keys(payment)
    return provider().create_intent(
        order_id=payment.order_id,
        amount=payment.amount,
        payment_method=payment.payment_method,
        key=payment.key("create"),
    )


def _confirm_submitted(payment: Payment, intent: IntentSnapshot | None) -> PaymentState:
    """Confirm, unless asking shows that it was confirmed. `intent`: fresh from being created by this very call."""
    if intent is None:
        intent = provider().retrieve_intent(intent_id=payment.intent_id or "")
        payment = record_intent(payment, intent)
        if payment.status not in UNANSWERED or intent.status != "requires_confirmation":
            return _answer(payment, intent)
        if rules.keys_expired(first_used_at=payment.attempt_began_at, now=clock.now()):
            payment = renew_keys(payment)
    try:
        intent = provider().confirm_intent(intent_id=intent.intent_id, key=payment.key("confirm"))
    except CardRefused as error:
        intent = error.intent or provider().retrieve_intent(intent_id=intent.intent_id)
    except ProviderRefused as error:
        # Somebody else confirmed or canceled it: how it stands now decides.
        intent = provider().retrieve_intent(intent_id=intent.intent_id)
        if intent.status == "requires_confirmation" and error.provider_code not in PASSING_REFUSALS:
            return _answer(_decline(payment, error.provider_code, expected=UNANSWERED))
        if intent.status == "requires_confirmation":
            payment = renew_keys(payment)  # the old key would only repeat the refusal
    except PaymentUnknown as error:
        record_unanswered(payment, error)
        raise
    return _answer(record_intent(payment, intent), intent)


def _decline(payment: Payment, code: str, *, expected: Collection[str]) -> Payment:
    """Record that the provider will not charge this card, whatever is sent again."""
    event = PaymentFailed(order_id=payment.order_id, decline_code=code)
    return change(
        payment, expected=expected, to=PaymentStatus.DECLINED, event=event, decline_code=code, due_at=None, attempts=0
    )


def _answer(payment: Payment, intent: IntentSnapshot | None = None) -> PaymentState:
    """Return the state, or raise what it means to somebody who wants to be paid: only these count as a success."""
    if payment.status == PaymentStatus.VOIDED:
        raise PaymentClosed(f"the payment of order {payment.order_id} is voided", order_id=payment.order_id)
    if payment.status == PaymentStatus.DECLINED and payment.decline_code in rules.AMOUNT_REFUSALS:
        raise rules.UnchargeableAmount(
            f"{payment.amount} cannot be charged: {payment.decline_code}", order_id=payment.order_id
        )
    if payment.status == PaymentStatus.DECLINED:
        raise CardDeclined(order_id=payment.order_id, decline_code=payment.decline_code)
    if payment.status in (PaymentStatus.NEW, *UNANSWERED):
        raise PaymentUnknown(
            "the provider has not said yet how it stands", operation="confirm", order_id=payment.order_id
        )
    return shown(payment, intent)
