"""Authorize: hold the order's amount on the card, once, whatever gets lost on the way.

Two commits on the way that succeeds: the payment with its keys (NEW), the unconfirmed intent's id (SUBMITTED). Any other
outcome than a held amount is a third. The confirmation, the only call that can hold money, is sent after SUBMITTED is
durable and never before.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

import structlog

from payments import metrics, rules
from payments.events import PaymentFailed, PaymentOpened, PaymentSubmitted
from payments.gateways import (
    CardRefused,
    IntentSnapshot,
    Obstacle,
    PaymentUnknown,
    ProviderRefused,
    provider,
)
from payments.models import UNANSWERED, UNSAID, Payment, PaymentStatus
from payments.queries import PaymentState, to_state
from payments.rules import IntentStatus, RefusedFor
from payments.services.recording import (
    ASK_AGAIN,
    are_keys_expired,
    change,
    check_is_ours,
    load,
    record_intent,
    record_unanswered,
    refusal,
    renew_keys,
    to_state_with_challenge,
)
from payments.services.strays import abandon_intent
from shop import clock, transactions
from shop.errors import Refusal
from shop.events.event import Event
from shop.events.outbox import fact
from shop.events.publishing import announce
from shop.money import Money
from shop.statements import Statement

log = structlog.get_logger(__name__)

OPEN_PAYMENT = Statement("payments", "open_payment")
# The provider's clock and ours may differ by this much when we look for an intent whose id never reached us.
CLOCK_SKEW = timedelta(minutes=10)
# What a customer is told instead of a code that suspects fraud: a thief is not to learn that the card was reported.
# The provider asks for that. Staff read the code itself at the payment.
UNTOLD = "card_declined"


class CardDeclined(Refusal):
    """The bank refused the card. facts.attempts_left: how many others may be tried on the same payment.

    facts.decline_code is the provider's word, except where it suspects fraud: that is told as card_declined.
    """

    code = "card_declined"
    title = "The card was declined"
    http_status = 402
    fact_types = {"order_id": UUID, "decline_code": str, "attempts_left": int | None}

    def __init__(self, *, order_id: UUID, decline_code: str, attempts_left: int = 0) -> None:
        super().__init__(
            f"the card was declined ({decline_code})",
            order_id=order_id,
            decline_code=decline_code,
            attempts_left=attempts_left,
        )


class PaymentMethodRefused(Refusal):
    """The provider does not know the payment method's token, or it was used before: make a new one in the browser.

    The first one of an order cancels it, which facts.order_id names. facts.attempts_left: how many others may be tried.
    """

    code = "payment_method_refused"
    title = "This payment method cannot be used; no card was asked"
    fact_types = {"order_id": UUID, "attempts_left": int | None}


class PaymentRefusedByProvider(Refusal):
    """The provider did not carry out the shop's request; the shop's staff are told. The card was not asked."""

    code = "payment_refused_by_provider"
    title = "The payment could not be made; this is not the card's fault"
    fact_types = {"order_id": UUID}


class PaymentClosed(Refusal):
    """The payment was voided, maybe before it began: nothing can be charged for this order any more."""

    code = "payment_closed"
    title = "This payment is closed"
    fact_types = {"order_id": UUID}


def authorize_payment(*, order_id: UUID, amount: Money, payment_method: str) -> PaymentState:
    """Hold `amount` on the card behind the provider's token `payment_method`; AUTHORIZED or REQUIRES_ACTION.

    Idempotent by order_id: a repeated call answers with how the payment stands, and asks the provider where that is not
    known. A payment method that was declined, or waits for its customer, may be followed by another, which goes onto the
    same intent; one that was tried before is not tried again. Safe to run from two workers at once.
    Raises: CardDeclined, PaymentMethodRefused, PaymentRefusedByProvider, PaymentClosed, UnchargeableAmount;
    PaymentUnknown (the payment then is UNKNOWN, or has not been submitted), PaymentProviderUnavailable (nothing was
    sent), ProviderMismatch; ValueError where an order's payment is asked for again with another amount, or with
    another card while nobody has said how the one before stands.
    """
    transactions.forbid()
    provider().check_countable(amount=amount)
    payment = _open(order_id, amount, payment_method)
    if payment.status == PaymentStatus.NEW:
        payment, intent = _submit(payment)
    elif _may_be_followed(payment, payment_method):
        payment, intent = _submit_another(payment, payment_method)
        if _may_be_followed(payment, payment_method):
            raise _unsaid(payment)  # what it stood for was declined meanwhile: the next call goes on from there
    else:
        intent = None
    if payment.status in UNANSWERED:
        return _confirm_submitted(payment, intent)
    if payment.status == PaymentStatus.REQUIRES_ACTION:
        asked = provider().retrieve_intent(intent_id=payment.intent_id or "")
        return _answer(record_intent(payment, asked, answered=True), asked)
    return _answer(payment)


def _open(order_id: UUID, amount: Money, payment_method: str) -> Payment:
    """Insert the NEW row, or return the row that stands there already: an earlier call's, or a void's tombstone."""
    payment = Payment(
        order_id=order_id, amount_minor=amount.minor, currency=amount.currency, payment_method=payment_method
    )
    if insert_first(payment, PaymentOpened(order_id=order_id, amount=amount)):
        payment.attempt_began_at = payment.created_at = clock.now()
        return payment
    standing = load(order_id)
    # A caller with another method is ahead of the payment, behind it, or late: by what it shows they are told apart.
    unsaid = standing.status in UNSAID and not to_state(standing).was_tried(payment_method)
    another = standing.payment_method != payment_method
    if standing.status != PaymentStatus.VOIDED and (standing.amount != amount or (another and unsaid)):
        raise ValueError(f"order {order_id} is being paid already: {standing.amount} by {standing.payment_method}")
    return standing


def _may_be_followed(payment: Payment, payment_method: str) -> bool:
    """Return whether this payment method may be tried after the present one. See rules.py, Note [Another card]."""
    state = to_state(payment)
    return state.replaceable not in ("", payment_method) and not state.was_tried(payment_method)


def insert_first(payment: Payment, event: Event) -> bool:
    """Insert the row as the fact of it tells, unless its order has one; return whether it was inserted.

    A transaction of its own. A second inserter waits for the first.
    """
    with transactions.single("payments"):
        inserted = OPEN_PAYMENT.one(
            order_id=payment.order_id,
            status=Payment.status_after(event),
            amount_minor=payment.amount_minor,
            currency=payment.currency,
            payment_method=payment.payment_method,
            void_reason=payment.void_reason,
            **fact(event),
        )
        if inserted is not None:
            announce(event)
    return inserted is not None


def _submit(payment: Payment) -> tuple[Payment, IntentSnapshot | None]:
    """Make the unconfirmed intent and store its id. An intent that loses this race is canceled: it holds nothing."""
    try:
        intent = _find_or_create(payment)
    except CardRefused as error:
        return _decline(payment, error.decline_code, expected=[PaymentStatus.NEW]), None
    except ProviderRefused as error:
        return _decline(payment, _blame(payment, error), expected=[PaymentStatus.NEW]), None
    except PaymentUnknown as error:
        record_unanswered(payment, error)
        raise
    check_is_ours(payment, intent)
    payment = change(
        payment,
        expected=[PaymentStatus.NEW],
        event=PaymentSubmitted(order_id=payment.order_id),
        intent_id=intent.intent_id,
        ask_after=ASK_AGAIN,
    )
    if payment.intent_id != intent.intent_id:
        abandon_intent(order_id=payment.order_id, intent=intent)
        return payment, None
    # The snapshot is good news only to the call that stored it: another one may have confirmed meanwhile.
    return payment, intent if payment.version == 2 else None  # noqa: PLR2004


def _submit_another(payment: Payment, payment_method: str) -> tuple[Payment, IntentSnapshot | None]:
    """Put another payment method onto the intent, unconfirmed, and record that; as `_submit`, for a payment that has one.

    SUBMITTED is written once the intent has the method, so what is asked of it afterwards is about this method.
    """
    try:
        intent = provider().change_method(
            intent_id=payment.intent_id or "", payment_method=payment_method, key=payment.key("method")
        )
    except ProviderRefused as error:
        # The customer may have approved the method before, or somebody canceled: how it stands now decides.
        intent = provider().retrieve_intent(intent_id=payment.intent_id or "")
        payment = record_intent(payment, intent, answered=True)
        if not _may_be_followed(payment, payment_method):
            return payment, None
        if error.obstacle is Obstacle.OTHER_CALL:
            renew_keys(payment)  # the old key would only repeat the refusal
            raise _unsaid(payment) from error
        return _decline_another(payment, payment_method, _blame(payment, error)), None
    except PaymentUnknown as error:
        record_unanswered(payment, error)
        raise
    check_is_ours(payment, intent)
    moved = change(
        payment,
        expected=[PaymentStatus(payment.status)],
        event=PaymentSubmitted(order_id=payment.order_id),
        ask_after=ASK_AGAIN,
        renew=True,
        tried=len(payment.refused),
        refused=_given_up(payment),
        payment_method=payment_method,
    )
    return moved, intent if moved is payment else None


def _decline_another(payment: Payment, payment_method: str, code: str) -> Payment:
    """Record that the provider does not take this payment method for the intent, which it then never had."""
    event = PaymentFailed(order_id=payment.order_id, decline_code=code, answered=True)
    columns = refusal(payment, code, final=False)
    return change(
        payment,
        expected=[PaymentStatus(payment.status)],
        event=event,
        renew=True,
        **columns | {"payment_method": payment_method, "refused": [*_given_up(payment), (payment_method, code)]},
    )


def _given_up(payment: Payment) -> list[tuple[str, str]]:
    """Return the method that the customer gives up for another one; nothing where the bank has refused it already."""
    if payment.status == PaymentStatus.DECLINED:
        return []
    return [(payment.payment_method, rules.CHANGED)]


def _find_or_create(payment: Payment) -> IntentSnapshot:
    if are_keys_expired(payment):
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
        payment = record_intent(payment, intent, answered=True)
        if payment.status not in UNANSWERED or intent.status != IntentStatus.UNCONFIRMED:
            return _answer(payment, intent)
        if are_keys_expired(payment):
            payment = renew_keys(payment)
    try:
        intent = provider().confirm_intent(intent_id=intent.intent_id, key=payment.key("confirm"))
    except CardRefused as error:
        intent = error.intent or provider().retrieve_intent(intent_id=intent.intent_id)
    except ProviderRefused as error:
        # Somebody else confirmed or canceled it: how it stands now decides.
        intent = provider().retrieve_intent(intent_id=intent.intent_id)
        if intent.status == IntentStatus.UNCONFIRMED and error.obstacle is not Obstacle.OTHER_CALL:
            return _answer(_decline(payment, _blame(payment, error), expected=UNANSWERED))
        if intent.status == IntentStatus.UNCONFIRMED:
            payment = renew_keys(payment)  # the old key would only repeat the refusal
    except PaymentUnknown as error:
        record_unanswered(payment, error)
        raise
    if payment.status == PaymentStatus.SUBMITTED and intent.status == IntentStatus.AUTHORIZED:
        return _pass_through(payment, intent)
    return _answer(record_intent(payment, intent, answered=True), intent)


# Note [AUTHORIZED is passed through]
#
# The walk that has just confirmed goes on to capture, which records CAPTURED. AUTHORIZED in between would be a commit
# and a fact whose loss a question repairs: SUBMITTED says "ask the provider", and whoever finds it so does ask, the saga's
# next walk as well as the sweep. capture_payment is told by its caller what this call has seen, and asks otherwise.


def _pass_through(payment: Payment, intent: IntentSnapshot) -> PaymentState:
    """Return the payment as AUTHORIZED without writing that down. See Note [AUTHORIZED is passed through]."""
    check_is_ours(payment, intent)
    payment.status = PaymentStatus.AUTHORIZED
    return to_state(payment)


def _blame(payment: Payment, error: ProviderRefused) -> str:
    """Return how the refusal is written down, and tell staff. See Note [Whose fault a refusal is]."""
    code, kind = rules.decline_code_of(error.refused_for, error.provider_code), error.refused_for
    if kind != RefusedFor.BANK:
        metrics.REFUSED_REQUESTS.labels(kind).inc()
        log.error("payment.request_refused", order_id=str(payment.order_id), kind=kind, detail=error.detail)
    return code


def _decline(payment: Payment, code: str, *, expected: Collection[str]) -> Payment:
    """Record that the provider will not charge this card, whatever is sent again."""
    event = PaymentFailed(order_id=payment.order_id, decline_code=code, answered=True)
    columns = refusal(payment, code, final=False)
    return change(payment, expected=expected, event=event, **columns)


def _answer(payment: Payment, intent: IntentSnapshot | None = None) -> PaymentState:
    """Return the state of a payment that holds the money or waits for its customer; raise what any other status means."""
    if payment.status == PaymentStatus.VOIDED:
        raise PaymentClosed(f"the payment of order {payment.order_id} is voided", order_id=payment.order_id)
    if payment.status == PaymentStatus.DECLINED:
        raise explain_decline(payment=to_state(payment))
    if payment.status in UNSAID:
        raise _unsaid(payment)
    return to_state_with_challenge(payment, intent)


def _unsaid(payment: Payment) -> PaymentUnknown:
    detail = "the provider has not said yet how it stands"
    return PaymentUnknown(detail, operation="confirm", order_id=payment.order_id)


def explain_decline(*, payment: PaymentState, payment_method: str = "") -> Refusal:
    """Return what a DECLINED payment means to its customer. See Note [Whose fault a refusal is].

    `payment_method`: the one that is asked about, where it is not the last: each has the refusal that it was given.
    """
    order_id, left = payment.order_id, payment.attempts_left
    code = dict(payment.refused).get(payment_method, payment.decline_code)
    kind = rules.kind_of_refusal(code)
    if kind == RefusedFor.AMOUNT:
        return rules.UnchargeableAmount(f"{payment.amount} cannot be charged: {code}", order_id=order_id)
    if kind == RefusedFor.METHOD:
        detail = f"the provider does not take this token: {code}"
        return PaymentMethodRefused(detail, order_id=order_id, attempts_left=left)
    if kind == RefusedFor.REQUEST:
        return PaymentRefusedByProvider(order_id=order_id)
    suspected = code == payment.decline_code and not payment.may_try_another
    return CardDeclined(order_id=order_id, decline_code=UNTOLD if suspected else code, attempts_left=left)
