"""What payments tells the others: past facts with ids, codes and amounts; no card, no secret, no person."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from shop.events.event import Event
from shop.money import Money

# Note [Answered facts]
#
# `answered` says that a call of the order's own saga made this move and learns of it by its answer. The saga goes on with
# that, so orders does not ask to be sent the fact. Where the caller dies in between, the saga's lease brings it back, as
# after any crash. A fact of an earlier release has no such field and counts as not answered.


@dataclass(frozen=True, kw_only=True)
class PaymentOpened(Event):
    """A payment was written down; nothing has been sent to the provider."""

    type = "payment.opened"

    order_id: UUID
    amount: Money


@dataclass(frozen=True, kw_only=True)
class PaymentSubmitted(Event):
    """The provider holds an unconfirmed intent, and the confirmation is about to be sent."""

    type = "payment.submitted"

    order_id: UUID


@dataclass(frozen=True, kw_only=True)
class PaymentActionRequired(Event):
    """The customer has to authenticate (3-D Secure)."""

    type = "payment.action_required"

    order_id: UUID


@dataclass(frozen=True, kw_only=True)
class PaymentBecameUnknown(Event):
    """The provider's answer to `operation` did not arrive; what happened is being asked."""

    type = "payment.unknown"

    order_id: UUID
    operation: str


@dataclass(frozen=True, kw_only=True)
class PaymentFailed(Event):
    """The card was declined."""

    type = "payment.failed"

    order_id: UUID
    decline_code: str
    answered: bool = False


@dataclass(frozen=True, kw_only=True)
class PaymentAuthorized(Event):
    """The amount is held on the card."""

    type = "payment.authorized"

    order_id: UUID
    amount: Money
    answered: bool = False


@dataclass(frozen=True, kw_only=True)
class PaymentCaptured(Event):
    """The amount was taken."""

    type = "payment.captured"

    order_id: UUID
    amount: Money
    answered: bool = False


@dataclass(frozen=True, kw_only=True)
class PaymentVoided(Event):
    """No money was taken, and none can be: the intent is canceled at the provider or was never confirmed."""

    type = "payment.voided"

    order_id: UUID
    reason: str
    answered: bool = False


@dataclass(frozen=True, kw_only=True)
class PaymentRefunded(Event):
    """`amount` was given back by one refund, `total` so far; `full`: nothing of the capture is left.

    `again`: this refund stands in for one that the bank had returned after the payment was REFUNDED, or gives back what
    an appeal won after the end. Where no status moves (it was REFUNDED before), the envelope's subject is the refund.
    """

    type = "payment.refunded"

    order_id: UUID
    refund_id: UUID
    amount: Money
    total: Money
    full: bool
    again: bool = False


@dataclass(frozen=True, kw_only=True)
class PaymentSettledOtherwise(Event):
    """Staff paid `amount`, which a refund had failed to give back, another way."""

    type = "payment.settled_otherwise"

    order_id: UUID
    amount: Money


@dataclass(frozen=True, kw_only=True)
class RefundRequested(Event):
    """A refund was written down and its amount set aside."""

    type = "refund.requested"

    refund_id: UUID
    order_id: UUID
    amount: Money


@dataclass(frozen=True, kw_only=True)
class RefundPending(Event):
    """The provider accepted the refund; the bank still works on it."""

    type = "refund.pending"

    refund_id: UUID
    order_id: UUID
    amount: Money


@dataclass(frozen=True, kw_only=True)
class RefundSucceeded(Event):
    """The refund is done."""

    type = "refund.succeeded"

    refund_id: UUID
    order_id: UUID
    amount: Money


@dataclass(frozen=True, kw_only=True)
class RefundFailed(Event):
    """The refund did not happen, or came back: the customer is still owed the amount.

    `returned`: it had counted as given back, so its customer was told that the money is on its way.
    """

    type = "refund.failed"

    refund_id: UUID
    order_id: UUID
    amount: Money
    reason: str
    returned: bool = False


@dataclass(frozen=True, kw_only=True)
class StrayMoneyFound(Event):
    """The provider holds an intent that no payment of ours stands for; it is being canceled or refunded."""

    type = "payment.stray_found"

    order_id: UUID
    intent_id: str
    reason: str
    amount: Money


@dataclass(frozen=True, kw_only=True)
class PaymentDisputeOpened(Event):
    """The customer disputes the payment at their bank, or the bank inquires about it."""

    type = "payment.dispute_opened"

    dispute_id: UUID
    order_id: UUID
    status: str
    reason: str
    amount: Money


@dataclass(frozen=True, kw_only=True)
class PaymentDisputeChanged(Event):
    """An open dispute moved, or one that was over is open again. `revision` rises with each fact of a dispute."""

    type = "payment.dispute_changed"

    dispute_id: UUID
    order_id: UUID
    status: str
    revision: int


@dataclass(frozen=True, kw_only=True)
class PaymentDisputeClosed(Event):
    """A dispute is over. `lost`: what it took of the payment for good, zero where it was won or came to nothing.

    `refunded_in_full`: refunds gave, or are giving, the whole capture back, or staff paid it back another way.
    """

    type = "payment.dispute_closed"

    dispute_id: UUID
    order_id: UUID
    status: str
    lost: Money
    revision: int
    refunded_in_full: bool = False
