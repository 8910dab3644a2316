"""A card provider as short as one can be: docs/how-to/payment-provider.md shows it."""

import re
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from payments.gateways import (
    CardRefused,
    IntentSnapshot,
    InvalidWebhook,
    Notice,
    Obstacle,
    ProviderRefused,
    RefundSnapshot,
)
from payments.models import RefundStatus
from payments.rules import FINAL_INTENTS, IntentStatus, NoticeKind, UnchargeableAmount
from shop import clock, transactions
from shop.money import Money


class ShortProvider:
    name, is_live, key_lifetime = "Short", False, timedelta(hours=1)
    token = re.compile(r"tok-[a-z]+")
    notice_types = {"charged": NoticeKind.CAPTURED}

    def __init__(self):
        self.intents: dict[str, IntentSnapshot] = {}
        self.methods: dict[str, str] = {}
        self.refunds: dict[str, RefundSnapshot] = {}

    def check_countable(self, *, amount):
        """Count every currency as the shop does."""

    def check_chargeable(self, *, amount):
        if amount.currency != "EUR":
            raise UnchargeableAmount("euros only", amount=amount)

    def get_step(self, *, currency):
        return 1

    def read_notice(self, *, body, headers):
        if headers.get("X-Secret") != "s3cret":
            raise InvalidWebhook("another secret")
        event_id, kind, intent_id = body.decode().split()
        return Notice(
            event_id=event_id, type=kind, kind=self.notice_types.get(kind), intent_id=intent_id, livemode=False
        )

    def create_intent(self, *, order_id, amount, payment_method, key):
        transactions.go_outside()
        nothing = Money.zero(amount.currency)
        made = IntentSnapshot(
            intent_id=f"{payment_method}-{order_id}",
            status=IntentStatus.UNCONFIRMED,
            order_id=str(order_id),
            amount=amount,
            captured=nothing,
            refunded=nothing,
            livemode=False,
            created_at=clock.now(),
        )
        return self.intents.setdefault(made.intent_id, made)

    def find_intent(self, *, order_id, since):
        return next((intent for intent in self.iter_intents(since=since) if intent.order_id == str(order_id)), None)

    def change_method(self, *, intent_id, payment_method, key):
        self.methods[intent_id] = payment_method
        return self._move(intent_id, status=IntentStatus.UNCONFIRMED, decline_code="")

    def confirm_intent(self, *, intent_id, key):
        if self.methods.get(intent_id, intent_id).startswith("tok-poor"):
            refused = self._move(intent_id, status=IntentStatus.DECLINED, decline_code="insufficient_funds")
            raise CardRefused(decline_code=refused.decline_code, intent=refused)
        return self._move(intent_id, status=IntentStatus.AUTHORIZED)

    def capture_intent(self, *, intent_id, key):
        return self._move(intent_id, status=IntentStatus.CAPTURED, captured=self.intents[intent_id].amount)

    def cancel_intent(self, *, intent_id, key):
        return self._move(intent_id, status=IntentStatus.CANCELED)

    def retrieve_intent(self, *, intent_id):
        transactions.go_outside()
        if intent_id not in self.intents:
            raise ProviderRefused(
                "no such intent", operation="retrieve", provider_code="404", obstacle=Obstacle.NOTHING_THERE
            )
        return self.intents[intent_id]

    def create_refund(self, *, intent_id, order_id, refund_id, amount, key):
        intent = self.retrieve_intent(intent_id=intent_id)
        self.intents[intent_id] = replace(intent, refunded=intent.refunded + amount)
        made = RefundSnapshot(
            provider_refund_id=f"back-{refund_id}",
            intent_id=intent_id,
            refund_id=str(refund_id),
            amount=amount,
            status=RefundStatus.SUCCEEDED,
            provider_status="succeeded",
            failure_code="",
            created_at=clock.now(),
        )
        return self.refunds.setdefault(made.provider_refund_id, made)

    def iter_intents(self, *, since, until=None):
        transactions.go_outside()
        return iter(list(self.intents.values()))

    def iter_refunds(self, *, since=None, intent_id=None, concerns=lambda _intent_id: True):
        listed = list(self.refunds.values())
        return (refund for refund in listed if refund.intent_id == intent_id or (not intent_id and concerns(intent_id)))

    def iter_disputes(self, *, since=None, intent_id=None, concerns=lambda _intent_id: True):
        return iter(())

    def retrieve_dispute(self, *, provider_dispute_id):
        raise ProviderRefused("no disputes", operation="dispute", provider_code="404", obstacle=Obstacle.NOTHING_THERE)

    def _move(self, intent_id, **seen):
        intent = self.retrieve_intent(intent_id=intent_id)
        if intent.status in FINAL_INTENTS and intent.status != seen["status"]:
            raise ProviderRefused(f"it is {intent.status}", operation="move", provider_code="409")
        self.intents[intent_id] = replace(intent, **seen)
        return self.intents[intent_id]


SHORT = ShortProvider()


def provider():
    """Make what PAYMENT_PROVIDER names."""
    return SHORT


def intent_of(order_id: UUID) -> IntentSnapshot:
    """Return what the provider holds of an order."""
    (found,) = [intent for intent in SHORT.intents.values() if intent.order_id == str(order_id)]
    return found
