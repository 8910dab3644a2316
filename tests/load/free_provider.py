"""A card provider in the process, which always says yes and costs nothing: the shop's own cost shows apart from the SDK's.

Each change of an intent is appended to one file, so that every process of the shop gives the same answer to a question.
"""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from payments.gateways import IntentSnapshot, InvalidWebhook, Obstacle, ProviderRefused
from payments.gateways.stripe import adapter as stripe_adapter
from payments.gateways.stripe.words import NOTICES
from payments.rules import FINAL_INTENTS, IntentStatus
from shop import transactions
from shop.money import Money


class FreeProvider:
    """PaymentProvider whose bank always has the money."""

    name = "Stripe"
    is_live = False
    key_lifetime = timedelta(hours=23)
    token = re.compile(r"\w+")
    notice_types = NOTICES

    def __init__(self, book: Path) -> None:
        self._book = book
        self._file = os.open(book, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._known: dict[str, IntentSnapshot] = {}

    def check_countable(self, *, amount):
        """Count whatever it is."""

    def check_chargeable(self, *, amount):
        """Charge whatever it is."""

    def get_step(self, *, currency):
        return 1

    def create_intent(self, *, order_id, amount, payment_method, key):
        return self._write(f"pi_{order_id.hex}_{uuid4().hex[:8]}", IntentStatus.UNCONFIRMED, str(order_id), amount)

    def change_method(self, *, intent_id, payment_method, key):
        return self._move(intent_id, IntentStatus.UNCONFIRMED)

    def confirm_intent(self, *, intent_id, key):
        return self._move(intent_id, IntentStatus.AUTHORIZED)

    def capture_intent(self, *, intent_id, key):
        return self._move(intent_id, IntentStatus.CAPTURED)

    def cancel_intent(self, *, intent_id, key):
        return self._move(intent_id, IntentStatus.CANCELED)

    def retrieve_intent(self, *, intent_id):
        transactions.forbid()
        return self._read().get(intent_id) or self._refuse(intent_id)

    def find_intent(self, *, order_id, since):
        transactions.forbid()
        return next((each for each in self._read().values() if each.order_id == str(order_id)), None)

    def create_refund(self, *, intent_id, order_id, refund_id, amount, key):
        raise ProviderRefused("nothing is refunded in the bench", operation="refund", provider_code="bench")

    def iter_intents(self, *, since, until=None):
        yield from self._read().values()

    def iter_refunds(self, *, since=None, intent_id=None, concerns=lambda _intent_id: True):
        return iter(())

    def iter_disputes(self, *, since=None, intent_id=None, concerns=lambda _intent_id: True):
        return iter(())

    def retrieve_dispute(self, *, provider_dispute_id):
        raise ProviderRefused(
            "nothing is disputed", operation="dispute", provider_code="none", obstacle=Obstacle.NOTHING_THERE
        )

    def read_notice(self, *, body, headers):
        raise InvalidWebhook("nobody sends webhooks in the bench")

    def _move(self, intent_id, status):
        known = self._known.get(intent_id) or self._read().get(intent_id) or self._refuse(intent_id)
        if known.status in FINAL_INTENTS and known.status != status:
            raise ProviderRefused(f"it is {known.status}", operation=status, provider_code="unexpected_state")
        return self._write(intent_id, status, known.order_id, known.amount)

    def _refuse(self, intent_id):
        raise ProviderRefused(
            "no such intent", operation="retrieve", provider_code="no_such_intent", obstacle=Obstacle.NOTHING_THERE
        )

    def _write(self, intent_id, status, order_id, amount):
        transactions.forbid()
        line = json.dumps([intent_id, status, order_id, amount.minor, amount.currency])
        os.write(self._file, f"{line}\n".encode())
        self._known[intent_id] = snapshot = _snapshot(intent_id, status, order_id, amount)
        if status in FINAL_INTENTS:
            del self._known[intent_id]
        return snapshot

    def _read(self):
        rows = (json.loads(line) for line in self._book.read_text().splitlines())
        return {
            intent_id: _snapshot(intent_id, status, order_id, Money(minor, currency))
            for intent_id, status, order_id, minor, currency in rows
        }


def _snapshot(intent_id, status, order_id, amount):
    nothing = Money.zero(amount.currency)
    return IntentSnapshot(
        intent_id=intent_id,
        status=IntentStatus(status),
        order_id=order_id,
        amount=amount,
        captured=amount if status == IntentStatus.CAPTURED else nothing,
        refunded=nothing,
        livemode=False,
        created_at=datetime.now(UTC),
    )


def install() -> None:
    """Have the shop's own `provider()` give this one."""
    made = FreeProvider(Path(os.environ["BENCH_PROVIDER_BOOK"]))
    stripe_adapter._provider = lambda *_settings: made  # type: ignore[assignment]
