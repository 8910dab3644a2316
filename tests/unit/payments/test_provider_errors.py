"""What an error of Stripe's SDK tells: Note [What a Stripe error tells], one case each."""

from __future__ import annotations

import pytest
import stripe
from structlog.testing import capture_logs

from payments.gateways import CardRefused, PaymentProviderUnavailable, PaymentUnknown, ProviderRefused
from payments.gateways.stripe.errors import translate_error


@pytest.mark.parametrize(
    ("status", "headers", "spent"),
    [
        (500, {"Idempotent-Replayed": "true"}, True),
        (500, {"idempotent-replayed": "true"}, True),
        (500, {}, False),
        (503, {"idempotent-replayed": "true"}, False),
        (502, {}, False),
        (409, {}, False),
    ],
)
def test_key_is_spent_only_by_a_500_that_was_kept_and_came_back(status, headers, spent):
    told = translate_error(stripe.APIError("broken", http_status=status, headers=headers), "refund")

    assert isinstance(told, PaymentUnknown)
    assert told.key_is_spent is spent


def _card_error():
    told = {"error": {"type": "card_error", "code": "expired_card", "decline_code": "do_not_honor"}}
    return stripe.CardError("no", param="", code="expired_card", http_status=402, json_body=told)


@pytest.mark.parametrize("operation", ["create", "confirm"])
def test_402_of_an_attempt_is_a_refused_card(operation):
    told = translate_error(_card_error(), operation)

    assert isinstance(told, CardRefused)
    assert told.decline_code == "do_not_honor"


@pytest.mark.parametrize("operation", ["capture", "cancel", "refund"])
def test_402_of_anything_else_is_a_refusal_with_its_code(operation):
    told = translate_error(_card_error(), operation)

    assert isinstance(told, ProviderRefused)
    assert told.provider_code == "expired_card"


@pytest.mark.parametrize("error", [stripe.AuthenticationError, stripe.PermissionError])
def test_rejected_key_is_a_provider_that_is_away_and_is_logged(error):
    with capture_logs() as logs:
        told = translate_error(error("no such key", http_status=401), "capture")

    assert isinstance(told, PaymentProviderUnavailable)
    assert [(line["event"], line["log_level"]) for line in logs] == [("payment.provider_rejects_our_key", "error")]
