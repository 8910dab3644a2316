"""The port: what payments needs of a card provider, in the shop's words. How to write an adapter: docs/how-to/.

Each call either answers with a snapshot of the provider's own record, or raises one of the errors here, which differ in
what is known afterwards. None may be made inside a transaction.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from payments.models import DisputeStatus, RefundStatus
from payments.rules import IntentStatus, NoticeKind, RefusedFor
from shop.errors import Fault, Refusal, ShopError
from shop.money import Money


@dataclass(frozen=True, kw_only=True)
class IntentSnapshot:
    """An intent as the provider held it at one moment; it may be out of date when it is read.

    `order_id` is "" where another application or installation made it; then its amounts are not read and show nothing.
    """

    intent_id: str
    status: IntentStatus
    order_id: str
    amount: Money
    captured: Money
    refunded: Money
    livemode: bool
    created_at: datetime
    decline_code: str = ""
    # Of a decline: its customer may be asked for another payment method. False where the provider suspects fraud.
    may_try_another: bool = True
    next_action: str = ""
    # Whoever holds it can pay with it: shown to the customer who must authenticate, and to nobody and nothing else.
    client_secret: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class RefundSnapshot:
    """A refund as the provider held it at one moment: PENDING, SUCCEEDED or FAILED.

    `status` is None where the adapter does not know the provider's word for it, which `provider_status` is.
    `refund_id` is ours, "" where it was made elsewhere. `failure_code` says why one FAILED.
    """

    provider_refund_id: str
    intent_id: str
    refund_id: str
    amount: Money
    status: RefundStatus | None
    provider_status: str
    failure_code: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class DisputeSnapshot:
    """A dispute as the provider held it at one moment.

    `status` is None where the adapter does not know the provider's word for it, which `provider_status` is.
    `withdrawn` and `fee` are in the currency of our account there: what was taken for it less what was given back.
    """

    provider_dispute_id: str
    intent_id: str
    status: DisputeStatus | None
    provider_status: str
    reason: str
    amount: Money
    withdrawn: Money
    fee: Money
    created_at: datetime
    evidence_due_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Notice:
    """A verified webhook: that something happened to an intent. What happened is asked of the provider.

    `type` is the provider's name of it, at most 80 characters; `kind` is None for one that the shop does not act on.
    """

    event_id: str
    type: str
    kind: NoticeKind | None
    intent_id: str
    livemode: bool


class InvalidWebhook(Refusal):
    """The body was not signed by a secret of ours within the last five minutes, or is not an event."""

    code = "invalid_webhook"
    title = "Not a valid webhook from the card provider"
    http_status = 400


class PaymentUnknown(Fault):
    """The provider's answer did not arrive, or says nothing: the effect may have happened. Ask before anything else.

    `key_is_spent`: the provider kept this failure under the key and will repeat it, so that only a new key can heal.
    """

    code = "payment_unknown"
    title = "The card provider did not answer; the outcome is being checked"
    retry_after_seconds = 2
    fact_types = {"operation": str, "key_is_spent": bool, "order_id": UUID | None, "http_status": int | None}

    def __init__(self, detail: str, *, operation: str, key_is_spent: bool = False, **facts: Any) -> None:
        super().__init__(detail, operation=operation, key_is_spent=key_is_spent, **facts)


class PaymentProviderUnavailable(Fault):
    """The provider cannot be used now, and nothing happened there: what was asked was certainly not carried out."""

    code = "payment_provider_unavailable"
    title = "The card provider is unavailable; nothing was charged"
    fact_types = {"operation": str}

    def __init__(self, detail: str, *, operation: str, retry_after_seconds: int = 5) -> None:
        super().__init__(detail, operation=operation)
        self.retry_after_seconds = retry_after_seconds


class CardRefused(ShopError):
    """The bank said no. The attempt is over, the intent lives: it can be confirmed again until it is canceled."""

    code = "card_refused"

    def __init__(self, *, decline_code: str, intent: IntentSnapshot | None) -> None:
        super().__init__(f"the card was declined: {decline_code}")
        self.decline_code = decline_code
        self.intent = intent


class Obstacle(StrEnum):
    """What stood in the way of a request that the provider did not carry out, as far as the shop acts on it."""

    NOTHING_THERE = "the provider knows no such object"
    OTHER_CALL = "another call is under way or came first: the same request may go through later"
    DISPUTE = "the bank has the money: nothing can be refunded"


class ProviderRefused(ShopError):
    """The provider did not carry out the request: it cannot be, or the intent is in another state. Ask how it stands.

    `provider_code` is the provider's own and only kept and shown; what the shop acts on are `refused_for` and `obstacle`.
    """

    code = "provider_refused"

    def __init__(
        self,
        detail: str,
        *,
        operation: str,
        provider_code: str,
        refused_for: RefusedFor = RefusedFor.REQUEST,
        obstacle: Obstacle | None = None,
    ) -> None:
        super().__init__(detail, operation=operation)
        self.provider_code = provider_code
        self.refused_for = refused_for
        self.obstacle = obstacle


class ProviderMismatch(ShopError):
    """The provider's intent is not the one we asked for: another order, amount, currency or mode. Never recorded."""

    code = "provider_mismatch"


class PaymentProvider(Protocol):
    """A card provider. Every call raises PaymentUnknown and PaymentProviderUnavailable; more where it says so.

    `name` is what staff call it, and its webhooks' address by. `is_live`: whether it moves real money. `key_lifetime`: an
    idempotency key is certainly remembered for so long. `token`: what the whole of a payment method's token looks like,
    which a browser makes of a card, and never a card's number. `notice_types`: its names of the webhooks that the shop acts on.
    """

    name: str
    is_live: bool
    key_lifetime: timedelta
    token: re.Pattern[str]
    notice_types: Mapping[str, NoticeKind]

    def check_countable(self, *, amount: Money) -> None:
        """Insist that the provider counts this amount exactly, in a currency's decimals. Raises: UnchargeableAmount."""
        ...

    def check_chargeable(self, *, amount: Money) -> None:
        """Insist that the provider can ever charge this amount. Raises: UnchargeableAmount."""
        ...

    def get_step(self, *, currency: str) -> int:
        """Return how many minor units each amount in this currency must be a multiple of; 1 for nearly all."""
        ...

    def read_notice(self, *, body: bytes, headers: Mapping[str, str]) -> Notice:
        """Verify a webhook's raw body by its headers, and read it; nothing is asked. Raises: InvalidWebhook."""
        ...

    def create_intent(self, *, order_id: UUID, amount: Money, payment_method: str, key: str) -> IntentSnapshot:
        """Make an intent without confirming it: no money can move. Raises: ProviderRefused, CardRefused."""
        ...

    def find_intent(self, *, order_id: UUID, since: datetime) -> IntentSnapshot | None:
        """Look for an order's intent whose id never reached us, among those made since then."""
        ...

    def change_method(self, *, intent_id: str, payment_method: str, key: str) -> IntentSnapshot:
        """Give an intent that was declined, or waits for its customer, another payment method; no money can move.

        It is UNCONFIRMED afterwards, and shows nothing of the attempts before. Raises: ProviderRefused.
        """
        ...

    def confirm_intent(self, *, intent_id: str, key: str) -> IntentSnapshot:
        """Ask the bank to hold the amount. Raises: CardRefused, ProviderRefused."""
        ...

    def capture_intent(self, *, intent_id: str, key: str) -> IntentSnapshot:
        """Take the whole amount that is held. Raises: ProviderRefused."""
        ...

    def cancel_intent(self, *, intent_id: str, key: str) -> IntentSnapshot:
        """Cancel: afterwards no late or repeated confirmation can take money. Raises: ProviderRefused."""
        ...

    def retrieve_intent(self, *, intent_id: str) -> IntentSnapshot:
        """Ask how an intent stands. Raises: ProviderRefused where there is none."""
        ...

    def create_refund(
        self, *, intent_id: str, order_id: UUID, refund_id: UUID, amount: Money, key: str
    ) -> RefundSnapshot:
        """Give money back. Raises: ProviderRefused."""
        ...

    def iter_intents(self, *, since: datetime, until: datetime | None = None) -> Iterator[IntentSnapshot]:
        """List the intents made since then, and until then, that carry an order's id, newest first."""
        ...

    def iter_refunds(
        self,
        *,
        since: datetime | None = None,
        intent_id: str | None = None,
        concerns: Callable[[str], bool] = ...,
    ) -> Iterator[RefundSnapshot]:
        """List the refunds made since then, or of one intent, newest first.

        `concerns`: told an intent's id, says whether its refunds are wanted; of others nothing more is read.
        """
        ...

    def iter_disputes(
        self,
        *,
        since: datetime | None = None,
        intent_id: str | None = None,
        concerns: Callable[[str], bool] = ...,
    ) -> Iterator[DisputeSnapshot]:
        """List the disputes opened since then, or of one intent, newest first. `concerns`: as for `iter_refunds`."""
        ...

    def retrieve_dispute(self, *, provider_dispute_id: str) -> DisputeSnapshot:
        """Ask how a dispute stands. Raises: ProviderRefused where there is none."""
        ...
