"""Which parameters each endpoint takes; those that change nothing here are taken and left alone."""

from __future__ import annotations

from local.stripe.params import (
    Check,
    Params,
    anything,
    boolean,
    integer,
    mapping,
    metadata,
    moment,
    off_session,
    one_of,
    page_size,
    text,
    texts,
)

Fields = dict[str, Check]


def _ignored(names: str) -> Fields:
    return dict.fromkeys(names.split(), anything)


def _automatic(param: str, value: Params) -> Params:
    given = mapping(param, value)
    enabled = boolean(f"{param}[enabled]", given.get("enabled"))
    redirects = one_of("always", "never")(f"{param}[allow_redirects]", given.get("allow_redirects", "always"))
    return {"allow_redirects": redirects, "enabled": enabled}


CAPTURE = one_of("automatic", "automatic_async", "manual")
SHARED: Fields = {
    "capture_method": CAPTURE,
    "expand": texts,
    "payment_method": text,
    "receipt_email": text,
    "setup_future_usage": one_of("off_session", "on_session"),
    "shipping": mapping,
    **_ignored("amount_details excluded_payment_method_types allowed_payment_method_types hooks payment_details"),
    **_ignored("payment_method_options"),
}
CONFIRMING: Fields = {
    "error_on_requires_action": boolean,
    "off_session": off_session,
    "return_url": text,
    "use_stripe_sdk": boolean,
    **_ignored("mandate mandate_data radar_options"),
}
DESCRIBING: Fields = {
    "amount": integer,
    "currency": text,
    "customer": text,
    "description": text,
    "metadata": metadata,
    "statement_descriptor": text,
    "statement_descriptor_suffix": text,
    "transfer_group": text,
}
INTENT_CREATE: Fields = {
    **SHARED,
    **CONFIRMING,
    **DESCRIBING,
    "automatic_payment_methods": _automatic,
    "confirm": boolean,
    "confirmation_method": one_of("automatic", "manual"),
    "payment_method_types": texts,
}
INTENT_UPDATE: Fields = {**SHARED, **DESCRIBING}
INTENT_CONFIRM: Fields = {**SHARED, **CONFIRMING, "client_secret": text, "amount_to_confirm": integer}
INTENT_CAPTURE: Fields = {
    "amount_to_capture": integer,
    "expand": texts,
    "final_capture": boolean,
    "metadata": metadata,
    **_ignored("amount_details payment_details statement_descriptor statement_descriptor_suffix"),
}
INTENT_CANCEL: Fields = {
    "cancellation_reason": one_of("duplicate", "fraudulent", "requested_by_customer", "abandoned"),
    "expand": texts,
}
REFUND_CREATE: Fields = {
    "amount": integer,
    "charge": text,
    "expand": texts,
    "metadata": metadata,
    "payment_intent": text,
    "reason": one_of("duplicate", "fraudulent", "requested_by_customer"),
    **_ignored("instructions_email refund_application_fee reverse_transfer"),
}
REFUND_UPDATE: Fields = {"expand": texts, "metadata": metadata}
DISPUTE_UPDATE: Fields = {"evidence": mapping, "expand": texts, "metadata": metadata, "submit": boolean}
DISPUTE_CLOSE: Fields = {"expand": texts}
RETRIEVE: Fields = {"expand": texts, "client_secret": text}
LIST: Fields = {
    "created": moment,
    "ending_before": text,
    "expand": texts,
    "limit": page_size,
    "starting_after": text,
}
INTENT_LIST: Fields = {**LIST, "customer": text}
CHARGE_LIST: Fields = {**LIST, "payment_intent": text, "customer": text}
REFUND_LIST: Fields = {**LIST, "payment_intent": text, "charge": text}
DISPUTE_LIST: Fields = {**LIST, "payment_intent": text, "charge": text}
EVENT_LIST: Fields = {**LIST, "type": text, "types": texts, "delivery_success": boolean}
