"""The addresses under /v1 and what each does inside a transaction."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from local.stripe import disputes, errors, fields, intents, lists, refunds, shapes
from local.stripe.fields import Fields
from local.stripe.store import Transaction

Json = dict[str, Any]
Action = Callable[[Transaction, str, Json], Json]

ACCOUNT_ID = "acct_1SandboxSandbox00"


@dataclass(frozen=True)
class Endpoint:
    """One call: its method and address, its parameters, its effect. `shopper`: allowed with a publishable key."""

    method: str
    pattern: re.Pattern[str]
    fields: Fields
    action: Action
    required: tuple[str, ...] = ()
    shopper: bool = False


def _get(kind: str, *, what: str | None = None, param: str = "id") -> Action:
    def action(tx: Transaction, object_id: str, params: Json) -> Json:
        found = tx.find(kind=kind, object_id=object_id)
        if found is None:
            raise errors.no_such(what=what or kind, object_id=object_id, param=param)
        return found

    return action


def _list(kind: str, url: str) -> Action:
    def action(tx: Transaction, object_id: str, params: Json) -> Json:
        return lists.page(tx, kind=kind, url=url, params=params)

    return action


def _event(tx: Transaction, object_id: str, params: Json) -> Json:
    return lists.with_pending(tx, event=_get("event")(tx, object_id, params))


def _cancel(tx: Transaction, object_id: str, params: Json) -> Json:
    return intents.cancel(tx, intent_id=object_id, reason=params.get("cancellation_reason"))


def _balance(tx: Transaction, object_id: str, params: Json) -> Json:
    rows = tx.execute(
        "SELECT currency, sum(CASE kind WHEN 'captured' THEN amount ELSE -amount END) FROM movements"
        " WHERE kind IN ('captured', 'refunded', 'disputed', 'dispute_fee') GROUP BY currency ORDER BY currency"
    ).fetchall()
    available = [
        {"amount": amount, "currency": currency, "source_types": {"card": amount}} for currency, amount in rows
    ]
    nothing = [{"amount": 0, "currency": "usd", "source_types": {"card": 0}}]
    return {"object": "balance", "available": available or nothing, "livemode": False, "pending": nothing}


def _account(tx: Transaction, object_id: str, params: Json) -> Json:
    return {
        "id": ACCOUNT_ID,
        "object": "account",
        "business_type": "company",
        "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": True,
        "country": "US",
        "default_currency": "usd",
        "details_submitted": True,
        "email": None,
        "metadata": {},
        "payouts_enabled": True,
        "type": "standard",
    }


def _create_intent(tx: Transaction, object_id: str, params: Json) -> Json:
    return intents.create(tx, params=params)


def _find_intent(tx: Transaction, object_id: str, params: Json) -> Json:
    return intents.find(tx, intent_id=object_id)


def _update_intent(tx: Transaction, object_id: str, params: Json) -> Json:
    return intents.update(tx, intent_id=object_id, params=params)


def _confirm_intent(tx: Transaction, object_id: str, params: Json) -> Json:
    return intents.confirm(tx, intent_id=object_id, params=params)


def _capture_intent(tx: Transaction, object_id: str, params: Json) -> Json:
    return intents.capture(tx, intent_id=object_id, params=params)


def _create_refund(tx: Transaction, object_id: str, params: Json) -> Json:
    return refunds.create(tx, params=params)


def _find_refund(tx: Transaction, object_id: str, params: Json) -> Json:
    return refunds.find(tx, refund_id=object_id)


def _update_refund(tx: Transaction, object_id: str, params: Json) -> Json:
    return refunds.update(tx, refund_id=object_id, params=params)


def _find_dispute(tx: Transaction, object_id: str, params: Json) -> Json:
    return disputes.find(tx, dispute_id=object_id)


def _update_dispute(tx: Transaction, object_id: str, params: Json) -> Json:
    return disputes.update(tx, dispute_id=object_id, params=params)


def _close_dispute(tx: Transaction, object_id: str, params: Json) -> Json:
    return disputes.close(tx, dispute_id=object_id)


def _endpoint(
    method: str,
    address: str,
    fields: Fields,
    action: Action,
    *,
    required: tuple[str, ...] = (),
    shopper: bool = False,
) -> Endpoint:
    pattern = re.compile("/v1/" + address.replace(":id", "([A-Za-z0-9_]{1,255})"))
    return Endpoint(method, pattern, fields, action, required, shopper)


ENDPOINTS = (
    _endpoint(
        "POST",
        "payment_intents",
        fields.INTENT_CREATE,
        _create_intent,
        required=("amount", "currency"),
    ),
    _endpoint("GET", "payment_intents", fields.INTENT_LIST, _list("payment_intent", "/v1/payment_intents")),
    _endpoint(
        "GET",
        "payment_intents/:id",
        fields.RETRIEVE,
        _find_intent,
        shopper=True,
    ),
    _endpoint(
        "POST",
        "payment_intents/:id",
        fields.INTENT_UPDATE,
        _update_intent,
    ),
    _endpoint(
        "POST",
        "payment_intents/:id/confirm",
        fields.INTENT_CONFIRM,
        _confirm_intent,
        shopper=True,
    ),
    _endpoint(
        "POST",
        "payment_intents/:id/capture",
        fields.INTENT_CAPTURE,
        _capture_intent,
    ),
    _endpoint("POST", "payment_intents/:id/cancel", fields.INTENT_CANCEL, _cancel),
    _endpoint("POST", "refunds", fields.REFUND_CREATE, _create_refund),
    _endpoint("GET", "refunds", fields.REFUND_LIST, _list("refund", "/v1/refunds")),
    _endpoint("GET", "refunds/:id", fields.RETRIEVE, _find_refund),
    _endpoint(
        "POST",
        "refunds/:id",
        fields.REFUND_UPDATE,
        _update_refund,
    ),
    _endpoint("GET", "disputes", fields.DISPUTE_LIST, _list("dispute", "/v1/disputes")),
    _endpoint("GET", "disputes/:id", fields.RETRIEVE, _find_dispute),
    _endpoint("POST", "disputes/:id", fields.DISPUTE_UPDATE, _update_dispute),
    _endpoint("POST", "disputes/:id/close", fields.DISPUTE_CLOSE, _close_dispute),
    _endpoint("GET", "charges", fields.CHARGE_LIST, _list("charge", "/v1/charges")),
    _endpoint("GET", "charges/:id", fields.RETRIEVE, _get("charge")),
    _endpoint("GET", "payment_methods/:id", fields.RETRIEVE, _get("payment_method", what="PaymentMethod")),
    _endpoint("GET", "events", fields.EVENT_LIST, _list("event", "/v1/events")),
    _endpoint("GET", "events/:id", fields.RETRIEVE, _event),
    _endpoint("GET", "balance", fields.RETRIEVE, _balance),
    _endpoint("GET", "account", fields.RETRIEVE, _account),
)

# What a shopper's browser sees of a PaymentIntent.
_SHOPPER = (
    "id object amount automatic_payment_methods canceled_at cancellation_reason capture_method client_secret "
    "confirmation_method created currency description last_payment_error livemode next_action payment_method "
    "payment_method_types processing receipt_email setup_future_usage shipping status"
)
SHOPPER_FIELDS = frozenset(_SHOPPER.split())


def route(*, method: str, path: str) -> tuple[Endpoint, str]:
    """Find the call for an address, and the id in it. Raises: StripeError (404)."""
    for endpoint in ENDPOINTS:
        match = endpoint.pattern.fullmatch(path)
        if match and endpoint.method == method:
            return endpoint, match.group(1) if match.groups() else ""
    raise errors.StripeError(
        status=404,
        kind="invalid_request_error",
        message=f"Unrecognized request URL ({method}: {path}).",
        saved=False,
    )


def check_client_secret(tx: Transaction, *, intent_id: str, secret: str | None) -> None:
    """Let a shopper at the one intent whose secret they hold. Raises: StripeError."""
    intent = intents.find(tx, intent_id=intent_id)
    if not secret or not hmac.compare_digest(secret.encode(), intent["client_secret"].encode()):
        raise errors.invalid_parameter(
            message="The client_secret provided does not match any associated PaymentIntent on this account.",
            param="client_secret",
        )
    if intent["confirmation_method"] == "manual" and intent["status"] == "requires_confirmation":
        raise errors.invalid(
            message=f"This PaymentIntent {intent_id} cannot be confirmed using your publishable key because its "
            "`confirmation_method` is set to `manual`. Please use your secret key instead.",
        )


def rendered(tx: Transaction, *, body: Json, params: Json, shopper: bool) -> Json:
    """Give an object as its reader may see it."""
    if body.get("object") == "list":
        body = {**body, "data": [shapes.visible(item) for item in body["data"]]}
    else:
        body = shapes.visible(body)
    body = lists.expand(tx, body=body, paths=params.get("expand", []))
    if shopper:
        body = {key: value for key, value in body.items() if key in SHOPPER_FIELDS}
    return body
