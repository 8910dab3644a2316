"""Stripe, through its own SDK: each call through the breaker, each answer as a snapshot, each error by what it tells.

What an error tells is in errors.py, Note [What a Stripe error tells].
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any, TypeVar
from urllib.parse import quote
from uuid import UUID

import stripe
import structlog
from django.conf import settings

from payments.gateways.provider import (
    DisputeSnapshot,
    IntentSnapshot,
    Notice,
    PaymentProvider,
    PaymentProviderUnavailable,
    PaymentUnknown,
    RefundSnapshot,
)
from payments.gateways.stripe import amounts
from payments.gateways.stripe.amounts import to_units
from payments.gateways.stripe.calls import Calls
from payments.gateways.stripe.errors import counts_for_breaker, translate_error
from payments.gateways.stripe.http import KeptAliveClient
from payments.gateways.stripe.lists import decode_intents, decode_plain
from payments.gateways.stripe.snapshots import intent_id_of, marks, read_mark, to_dispute, to_intent, to_refund
from payments.gateways.stripe.webhooks import read_notice
from payments.gateways.stripe.words import NOTICES
from shop import transactions
from shop.errors import Fault, ShopError
from shop.money import Money
from shop.observability.lines import at_provider
from shop.resilience.breaker import Breaker, BreakerOpen

log = structlog.get_logger(__name__)
Answer = TypeVar("Answer")

INTENTS = "/v1/payment_intents"
REFUNDS = "/v1/refunds"
DISPUTES = "/v1/disputes"
PAGE = 100
# Below INFO the SDK logs whole answers, with the client_secret in them.
logging.getLogger("stripe").setLevel(logging.WARNING)

BREAKER = Breaker("stripe")


def provider() -> PaymentProvider:
    """Return Stripe as the settings configure it."""
    return _provider(settings.STRIPE_API_KEY, settings.STRIPE_API_BASE, settings.STRIPE_TIMEOUT_SECONDS)


@cache
def _provider(api_key: str, api_base: str, timeout_seconds: float) -> PaymentProvider:
    return StripeProvider(api_key=api_key, api_base=api_base, timeout_seconds=timeout_seconds)


class StripeProvider:
    """PaymentProvider by Stripe's API, or by whatever speaks it at `api_base`."""

    name = "Stripe"
    # https://docs.stripe.com/api/idempotent_requests: 24 hours; one hour is kept in hand.
    key_lifetime = timedelta(hours=23)
    # What looks like the digits of a card in one is not taken for a token.
    token = re.compile(r"pm_(?!.*\d{12})\w{1,252}", re.ASCII)
    notice_types = NOTICES

    def __init__(self, *, api_key: str, api_base: str, timeout_seconds: float) -> None:
        self.is_live = api_key.startswith(("sk_live_", "rk_live_"))
        # No retry by the SDK: an answer that did not come is recorded first, and then asked for.
        self._client = stripe.StripeClient(
            api_key,
            base_addresses={"api": api_base.rstrip("/")} if api_base else {},
            max_network_retries=0,
            http_client=KeptAliveClient(timeout_seconds=timeout_seconds),
        )
        self._calls = Calls(self._client)

    def check_countable(self, *, amount: Money) -> None:
        """Insist that it need not be rounded."""
        to_units(amount)

    def check_chargeable(self, *, amount: Money) -> None:
        """Insist that Stripe takes it."""
        amounts.check_chargeable(amount)

    def get_step(self, *, currency: str) -> int:
        """Count thousandths by tens."""
        return amounts.step_of(currency)

    def read_notice(self, *, body: bytes, headers: Mapping[str, str]) -> Notice:
        """Check that the body is signed with our secret."""
        return read_notice(
            body=body, signature=headers.get("Stripe-Signature", ""), secrets=settings.STRIPE_WEBHOOK_SECRETS
        )

    def create_intent(self, *, order_id: UUID, amount: Money, payment_method: str, key: str) -> IntentSnapshot:
        """Make the unconfirmed intent; its metadata names the order."""
        wanted = {
            "amount": to_units(amount),
            "currency": amount.currency.lower(),
            "capture_method": "manual",
            "payment_method": payment_method,
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            "metadata": marks(order_id=order_id),
        }
        return self._call("create", lambda: to_intent(self._post(INTENTS, wanted, key)))

    def find_intent(self, *, order_id: UUID, since: datetime) -> IntentSnapshot | None:
        """Look through the list, which is complete at once; Stripe's search lags behind."""
        return next((intent for intent in self.iter_intents(since=since) if intent.order_id == str(order_id)), None)

    def change_method(self, *, intent_id: str, payment_method: str, key: str) -> IntentSnapshot:
        """Update it: Stripe then forgets the error of the attempt before, and a challenge that was open."""
        path, wanted = _path(INTENTS, intent_id), {"payment_method": payment_method}
        return self._call("change_method", lambda: to_intent(self._post(path, wanted, key)))

    def confirm_intent(self, *, intent_id: str, key: str) -> IntentSnapshot:
        """Confirm; a 3-D Secure challenge is left to Stripe.js in the customer's browser."""
        path, wanted = _path(INTENTS, intent_id, "confirm"), {"use_stripe_sdk": True}
        return self._call("confirm", lambda: to_intent(self._post(path, wanted, key)))

    def capture_intent(self, *, intent_id: str, key: str) -> IntentSnapshot:
        """Capture all of it."""
        path = _path(INTENTS, intent_id, "capture")
        return self._call("capture", lambda: to_intent(self._post(path, {}, key)))

    def cancel_intent(self, *, intent_id: str, key: str) -> IntentSnapshot:
        """Cancel by id: the fence."""
        path, wanted = _path(INTENTS, intent_id, "cancel"), {"cancellation_reason": "abandoned"}
        return self._call("cancel", lambda: to_intent(self._post(path, wanted, key)))

    def retrieve_intent(self, *, intent_id: str) -> IntentSnapshot:
        """Ask, with the charge expanded: what was captured and refunded stands there."""
        path, wanted = _path(INTENTS, intent_id), {"expand": ["latest_charge"]}
        return self._call("retrieve", lambda: to_intent(self._client.raw_request("get", path, **wanted).data))

    def create_refund(
        self, *, intent_id: str, order_id: UUID, refund_id: UUID, amount: Money, key: str
    ) -> RefundSnapshot:
        """Refund; the metadata names our refund, so that a lost answer can be found in the list."""
        wanted = {
            "payment_intent": intent_id,
            "amount": to_units(amount),
            "metadata": marks(order_id=order_id, refund_id=refund_id),
        }
        return self._call("refund", lambda: to_refund(self._post(REFUNDS, wanted, key)))

    def iter_intents(self, *, since: datetime, until: datetime | None = None) -> Iterator[IntentSnapshot]:
        """List by `created`, page by page."""
        created = {"gte": int(since.timestamp())} | ({} if until is None else {"lte": int(until.timestamp())})
        wanted = {"created": created, "limit": PAGE, "expand": ["data.latest_charge"]}
        for intent in self._pages("list_intents", INTENTS, wanted, decode_intents):
            if read_mark(intent, "order_id"):
                yield to_intent(intent)

    def iter_refunds(
        self,
        *,
        since: datetime | None = None,
        intent_id: str | None = None,
        concerns: Callable[[str], bool] = lambda _intent_id: True,
    ) -> Iterator[RefundSnapshot]:
        """List by `created` or by intent, page by page."""
        for refund in self._pages("list_refunds", REFUNDS, _wanted(since, intent_id)):
            if concerns(intent_id_of(refund)):
                yield to_refund(refund)

    def iter_disputes(
        self,
        *,
        since: datetime | None = None,
        intent_id: str | None = None,
        concerns: Callable[[str], bool] = lambda _intent_id: True,
    ) -> Iterator[DisputeSnapshot]:
        """List by `created` or by intent, page by page; each holds its balance transactions."""
        for dispute in self._pages("list_disputes", DISPUTES, _wanted(since, intent_id)):
            if concerns(intent_id_of(dispute)):
                yield to_dispute(dispute)

    def retrieve_dispute(self, *, provider_dispute_id: str) -> DisputeSnapshot:
        """Ask, by its id."""
        path = _path(DISPUTES, provider_dispute_id)
        return self._call("retrieve_dispute", lambda: to_dispute(self._client.raw_request("get", path).data))

    def _pages(
        self, operation: str, path: str, wanted: dict[str, Any], decode: Callable[[bytes], Any] = decode_plain
    ) -> Iterator[Any]:
        """List without the SDK's objects: with types for each field they cost more CPU than what is done with them."""
        cursor: dict[str, Any] = {}
        while True:
            asked = wanted | cursor
            page = self._call(operation, lambda: self._calls.page(path, asked, decode=decode))  # noqa: B023  called at once
            yield from page["data"]
            if not page["has_more"]:
                return
            cursor = {"starting_after": page["data"][-1]["id"]}

    def _post(self, path: str, wanted: dict[str, Any], key: str) -> Any:
        """Send through the SDK, which signs, checks and maps errors, but leave the answer a plain dict.

        Objects with types for each field, as the SDK's methods make, cost as much CPU as all the rest of a call.
        """
        return self._calls.send(path, wanted, key=key)

    def _call(self, operation: str, request: Callable[[], Answer]) -> Answer:
        """Make one call through the breaker. Raises: what Note [What a Stripe error tells] makes of its error."""
        transactions.go_outside()

        def answer() -> Answer | ShopError:
            try:
                with at_provider(operation):
                    return request()
            except stripe.StripeError as error:
                known = translate_error(error, operation)
                if isinstance(known, Fault) and counts_for_breaker(error):
                    raise known from error
                known.__cause__ = error
                return known

        try:
            outcome = BREAKER.call(answer)
        except BreakerOpen as error:
            raise PaymentProviderUnavailable(
                "the card provider failed too often lately; nothing was sent",
                operation=operation,
                retry_after_seconds=error.retry_after_seconds,
            ) from error
        except PaymentUnknown as error:
            log.warning("payment.provider_unanswered", operation=operation, error=error.detail)
            raise
        if isinstance(outcome, ShopError):
            raise outcome
        return outcome


def _wanted(since: datetime | None, intent_id: str | None) -> dict[str, Any]:
    created = {} if since is None else {"created": {"gte": int(since.timestamp())}}
    return {"limit": PAGE} | created | ({} if intent_id is None else {"payment_intent": intent_id})


def _path(*steps: str) -> str:
    first, *rest = steps
    return "/".join([first, *(quote(step, safe="") for step in rest)])
