"""Stripe, through its own SDK: each call through the breaker, each answer as a snapshot, each error by what it tells.

See Note [What a Stripe error tells].
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar
from urllib.parse import quote
from uuid import UUID

import stripe
import structlog
from django.conf import settings

from payments import rules
from payments.gateways.provider import (
    CardRefused,
    DisputeSnapshot,
    IntentSnapshot,
    PaymentProvider,
    PaymentProviderUnavailable,
    PaymentUnknown,
    ProviderRefused,
    RefundSnapshot,
)
from payments.gateways.stripe_calls import Calls
from payments.gateways.stripe_http import KeptAliveClient
from payments.gateways.stripe_lists import decode_intents, decode_plain
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
SERVER_ERROR = 500
# The operations that ask the bank for the card's money; only these can find the card refused.
CHARGING = ("create", "confirm")
# ISO 4217's "none", in which the amounts of what is not ours are shown: as nothing.
UNREAD = "XXX"
RATE_LIMIT_SECONDS = 2
# Stripe tells of a token that a payment without a customer has used up by its text alone.
WAS_USED = "PaymentMethod was previously used"
# Below INFO the SDK logs whole answers, with the client_secret in them.
logging.getLogger("stripe").setLevel(logging.WARNING)

BREAKER = Breaker("stripe")

# Note [What a Stripe error tells]
#
# https://docs.stripe.com/error-low-level and the SDK's own mapping of HTTP statuses:
#   CardError (402)              of create and confirm: the attempt failed, the intent lives; of others: not carried out
#   InvalidRequestError          not carried out; where the intent's state forbids it, ask how it stands
#   RateLimitError (429)         not carried out; the same key may be sent again later
#   AuthenticationError, PermissionError  not carried out; our key is wrong, a human is needed
#   APIError 409                 the key is in use at this very moment: unknown
#   APIError 5xx                 unknown: repeat the key. Only a 500 that comes back as `Idempotent-Replayed` is final: the
#                                key repeats it for ever. A new key before that could carry the same thing out twice.
#   APIConnectionError           unknown; the request may even arrive later
# Only the last three and the rejected keys count for the breaker: a decline shows that Stripe works.


def is_live() -> bool:
    """Say whether the configured key moves real money."""
    return str(settings.STRIPE_API_KEY).startswith(("sk_live_", "rk_live_"))


def provider() -> PaymentProvider:
    """Return the provider that the settings name."""
    return _provider(settings.STRIPE_API_KEY, settings.STRIPE_API_BASE, settings.STRIPE_TIMEOUT_SECONDS)


@cache
def _provider(api_key: str, api_base: str, timeout_seconds: float) -> PaymentProvider:
    return StripeProvider(api_key=api_key, api_base=api_base, timeout_seconds=timeout_seconds)


class StripeProvider:
    """PaymentProvider by Stripe's API, or by whatever speaks it at `api_base`."""

    def __init__(self, *, api_key: str, api_base: str, timeout_seconds: float) -> None:
        # No retry by the SDK: an answer that did not come is recorded first, and then asked for.
        self._client = stripe.StripeClient(
            api_key,
            base_addresses={"api": api_base.rstrip("/")} if api_base else {},
            max_network_retries=0,
            http_client=KeptAliveClient(timeout_seconds=timeout_seconds),
        )
        self._calls = Calls(self._client)

    def create_intent(self, *, order_id: UUID, amount: Money, payment_method: str, key: str) -> IntentSnapshot:
        """Make the unconfirmed intent; its metadata names the order."""
        wanted = {
            "amount": rules.to_provider_amount(amount),
            "currency": amount.currency.lower(),
            "capture_method": "manual",
            "payment_method": payment_method,
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            "metadata": _marks(order_id=order_id),
        }
        return self._call("create", lambda: _intent(self._post(INTENTS, wanted, key)))

    def find_intent(self, *, order_id: UUID, since: datetime) -> IntentSnapshot | None:
        """Look through the list, which is complete at once; Stripe's search lags behind."""
        return next((intent for intent in self.iter_intents(since=since) if intent.order_id == str(order_id)), None)

    def confirm_intent(self, *, intent_id: str, key: str) -> IntentSnapshot:
        """Confirm; a 3-D Secure challenge is left to Stripe.js in the customer's browser."""
        path, wanted = _path(INTENTS, intent_id, "confirm"), {"use_stripe_sdk": True}
        return self._call("confirm", lambda: _intent(self._post(path, wanted, key)))

    def capture_intent(self, *, intent_id: str, key: str) -> IntentSnapshot:
        """Capture all of it."""
        path = _path(INTENTS, intent_id, "capture")
        return self._call("capture", lambda: _intent(self._post(path, {}, key)))

    def cancel_intent(self, *, intent_id: str, key: str) -> IntentSnapshot:
        """Cancel by id: the fence."""
        path, wanted = _path(INTENTS, intent_id, "cancel"), {"cancellation_reason": "abandoned"}
        return self._call("cancel", lambda: _intent(self._post(path, wanted, key)))

    def retrieve_intent(self, *, intent_id: str) -> IntentSnapshot:
        """Ask, with the charge expanded: what was captured and refunded stands there."""
        path, wanted = _path(INTENTS, intent_id), {"expand": ["latest_charge"]}
        return self._call("retrieve", lambda: _intent(self._client.raw_request("get", path, **wanted).data))

    def create_refund(
        self, *, intent_id: str, order_id: UUID, refund_id: UUID, amount: Money, key: str
    ) -> RefundSnapshot:
        """Refund; the metadata names our refund, so that a lost answer can be found in the list."""
        wanted = {
            "payment_intent": intent_id,
            "amount": rules.to_provider_amount(amount),
            "metadata": _marks(order_id=order_id, refund_id=refund_id),
        }
        return self._call("refund", lambda: _refund(self._post(REFUNDS, wanted, key)))

    def iter_intents(self, *, since: datetime, until: datetime | None = None) -> Iterator[IntentSnapshot]:
        """List by `created`, page by page."""
        created = {"gte": int(since.timestamp())} | ({} if until is None else {"lte": int(until.timestamp())})
        wanted = {"created": created, "limit": PAGE, "expand": ["data.latest_charge"]}
        for intent in self._pages("list_intents", INTENTS, wanted, decode_intents):
            if _marked(intent, "order_id"):
                yield _intent(intent)

    def iter_refunds(
        self,
        *,
        since: datetime | None = None,
        intent_id: str | None = None,
        concerns: Callable[[str], bool] = lambda _intent_id: True,
    ) -> Iterator[RefundSnapshot]:
        """List by `created` or by intent, page by page."""
        for refund in self._pages("list_refunds", REFUNDS, _wanted(since, intent_id)):
            if concerns(_intent_id(refund)):
                yield _refund(refund)

    def iter_disputes(
        self,
        *,
        since: datetime | None = None,
        intent_id: str | None = None,
        concerns: Callable[[str], bool] = lambda _intent_id: True,
    ) -> Iterator[DisputeSnapshot]:
        """List by `created` or by intent, page by page; each holds its balance transactions."""
        for dispute in self._pages("list_disputes", DISPUTES, _wanted(since, intent_id)):
            if concerns(_intent_id(dispute)):
                yield _dispute(dispute)

    def retrieve_dispute(self, *, provider_dispute_id: str) -> DisputeSnapshot:
        """Ask, by its id."""
        path = _path(DISPUTES, provider_dispute_id)
        return self._call("retrieve_dispute", lambda: _dispute(self._client.raw_request("get", path).data))

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
                known = _told_by(error, operation)
                if isinstance(known, Fault) and _counts(error):
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


def _counts(error: stripe.StripeError) -> bool:
    """Say whether the error shows a provider in trouble; contention for a key and rate limits do not."""
    return error.http_status is None or error.http_status >= SERVER_ERROR or error.http_status in (401, 403)


def _told_by(error: stripe.StripeError, operation: str) -> ShopError:
    status = error.http_status
    detail = f"{operation}: {type(error).__name__} {status or ''}".strip()
    if isinstance(error, stripe.CardError) and operation in CHARGING:
        told = error.error
        code = _get(told, "decline_code") or error.code or "card_declined"
        intent = _get(told, "payment_intent")
        return CardRefused(decline_code=str(code), intent=_intent(intent) if intent else None)
    if isinstance(error, stripe.RateLimitError):
        return PaymentProviderUnavailable(detail, operation=operation, retry_after_seconds=RATE_LIMIT_SECONDS)
    if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
        log.error("payment.provider_rejects_our_key", operation=operation, http_status=status)
        return PaymentProviderUnavailable(detail, operation=operation)
    if isinstance(error, stripe.InvalidRequestError | stripe.IdempotencyError | stripe.CardError):
        code = error.code or _get(error.error, "type") or "invalid_request"
        if not error.code and WAS_USED in str(error.user_message):
            code = "payment_method_used"
        return ProviderRefused(
            f"{operation}: {error.user_message}",
            operation=operation,
            provider_code=str(code),
            param=str(getattr(error, "param", None) or ""),
        )
    spent = status == SERVER_ERROR and _is_replayed(error)
    return PaymentUnknown(detail, operation=operation, key_is_spent=spent, http_status=status)


def _wanted(since: datetime | None, intent_id: str | None) -> dict[str, Any]:
    created = {} if since is None else {"created": {"gte": int(since.timestamp())}}
    return {"limit": PAGE} | created | ({} if intent_id is None else {"payment_intent": intent_id})


def _path(*steps: str) -> str:
    first, *rest = steps
    return "/".join([first, *(quote(step, safe="") for step in rest)])


def _is_replayed(error: stripe.StripeError) -> bool:
    """Say whether Stripe gave this answer before, under the same key."""
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    return headers.get("idempotent-replayed") == "true"


def _get(value: Any, *path: str) -> Any:
    """Read a field that may be absent, null or unexpanded."""
    for name in path:
        if value is None or isinstance(value, str):
            return None
        try:
            value = value[name]
        except KeyError:
            return None
    return value


# Note [Installations share an account]
# Staging and production, or two shops, may use one Stripe account. Each marks what it makes with its own name, and is
# blind to what another has marked: otherwise each would take the other's payments for strays and undo them.


def _marks(**ids: UUID) -> dict[str, str]:
    return {"installation": settings.INSTALLATION_NAME} | {name: str(value) for name, value in ids.items()}


def _marked(thing: Any, name: str) -> str:
    """Return an id that this installation wrote into an object's metadata, "" where another did or nobody."""
    if _get(thing, "metadata", "installation") != settings.INSTALLATION_NAME:
        return ""
    return str(_get(thing, "metadata", name) or "")


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _intent(intent: Any) -> IntentSnapshot:
    order_id, currency = _marked(intent, "order_id"), str(intent["currency"])
    refunded = 0 if intent["status"] == "canceled" else _get(intent, "latest_charge", "amount_refunded") or 0
    failure = _get(intent, "last_payment_error")

    def money(units: int) -> Money:
        # Another application's amounts are not read: they may be in a currency that we cannot express.
        return rules.from_provider_amount(units, currency) if order_id else Money.zero(UNREAD)

    return IntentSnapshot(
        intent_id=intent["id"],
        status=intent["status"],
        order_id=order_id,
        amount=money(intent["amount"]),
        captured=money(_get(intent, "amount_received") or 0),
        refunded=money(refunded),
        livemode=bool(intent["livemode"]),
        created_at=_moment(intent["created"]),
        attempt_failed=failure is not None,
        decline_code=str(_get(failure, "decline_code") or _get(failure, "code") or ""),
        next_action=str(_get(intent, "next_action", "type") or ""),
        client_secret=str(_get(intent, "client_secret") or ""),
    )


def _intent_id(thing: Any) -> str:
    return str(_get(thing, "payment_intent", "id") or _get(thing, "payment_intent") or "")


def _refund(refund: Any) -> RefundSnapshot:
    return RefundSnapshot(
        provider_refund_id=refund["id"],
        intent_id=_intent_id(refund),
        refund_id=_marked(refund, "refund_id"),
        amount=rules.from_provider_amount(refund["amount"], str(refund["currency"])),
        status=str(refund["status"]),
        failure_code=str(_get(refund, "failure_reason") or ""),
        created_at=_moment(refund["created"]),
    )


def _dispute(dispute: Any) -> DisputeSnapshot:
    movements = [each for each in _get(dispute, "balance_transactions") or () if not isinstance(each, str)]
    account = str(movements[0]["currency"]) if movements else str(dispute["currency"])
    due_by = _get(dispute, "evidence_details", "due_by")
    return DisputeSnapshot(
        provider_dispute_id=dispute["id"],
        intent_id=_intent_id(dispute),
        status=str(dispute["status"]),
        reason=str(_get(dispute, "reason") or ""),
        amount=rules.from_provider_amount(dispute["amount"], str(dispute["currency"])),
        # Stripe counts what it takes as negative, and a fee as positive.
        withdrawn=rules.from_provider_amount(-sum(each["amount"] for each in movements), account),
        fee=rules.from_provider_amount(sum(each["fee"] for each in movements), account),
        created_at=_moment(dispute["created"]),
        evidence_due_at=_moment(due_by) if due_by else None,
    )
