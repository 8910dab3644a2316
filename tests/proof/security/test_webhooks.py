"""The provider's door: only what it signed a moment ago, whole and once."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import stripe
from django.test import Client

from payments.models import WebhookEvent
from tests.driver.orders import payment
from tests.driver.provider import SECRET, Provider, post_signed
from tests.driver.shopper import Shopper, id_in
from tests.driver.tables import state
from tests.proof.report import Record


@pytest.fixture
def event(shopper: Shopper, sandbox: Provider) -> dict[str, Any]:
    shopper.place()
    return sandbox.events("payment_intent.succeeded")[0]


def signature(body: str, secret: str = SECRET, timestamp: int | None = None) -> str:
    made: str = stripe.WebhookSignature.generate_signature_header(body, secret, timestamp)
    return made


def test_what_the_provider_did_not_sign_is_refused_and_changes_nothing(event: dict[str, Any], proof: Record):
    body = json.dumps(event)
    stamp = int(time.time())
    before = state()
    attempts = {
        "unsigned": (body, ""),
        "forged": (body, f"t={stamp},v1={'0' * 64}"),
        "another secret": (body, signature(body, "whsec_of_somebody_else")),
        "an empty secret": (body, signature(body, "")),
        "stale": (body, signature(body, timestamp=stamp - 301)),
        "a fresh time on an old signature": (
            body,
            signature(body, timestamp=stamp - 900).replace(f"t={stamp - 900}", f"t={stamp}"),
        ),
        "truncated": (body[:-1], signature(body)),
        "half": (body[: len(body) // 2], signature(body)),
        "longer": (body + " ", signature(body)),
        "another scheme": (body, signature(body).replace("v1=", "v0=")),
        "no time": (body, signature(body).split(",")[1]),
        "nonsense": (body, "t=a,v1=b"),
        "signed but cut": (body[:-1], signature(body[:-1])),
    }

    wrong = []
    for case, (content, signed) in attempts.items():
        answer = Client().post(
            "/webhooks/stripe", content, content_type="application/json", headers={"Stripe-Signature": signed}
        )
        if (answer.status_code, answer.json()["code"]) != (400, "invalid_webhook"):
            wrong.append(f"{case} is answered {answer.status_code}")

    wrong += [] if state() == before else ["something was changed"]
    proof("forged, stale or replayed webhook", histories=len(attempts), violations=wrong)
    assert wrong == []


def test_a_replay_within_the_tolerance_is_kept_once(event: dict[str, Any], proof: Record):
    answers = [post_signed(event) for _time in range(5)]

    kept = WebhookEvent.objects.filter(event_id=event["id"]).count()
    proof(
        "forged, stale or replayed webhook", histories=5, violations=[] if kept == 1 else [f"it is kept {kept} times"]
    )
    assert {answer.status_code for answer in answers} == {200}
    assert kept == 1


def test_what_comes_late_and_out_of_order_does_not_move_a_payment_back(
    shopper: Shopper, sandbox: Provider, drain: Callable[[], None], proof: Record
):
    order_id = id_in(shopper.place())
    shopper.cancel(order_id)
    drain()
    before = payment(order_id)
    events = sandbox.events()

    answers = [post_signed(event) for event in reversed(events)]
    drain()

    wrong = [] if payment(order_id) == before == "REFUNDED" else [f"{before} became {payment(order_id)}"]
    proof("forged, stale or replayed webhook", histories=len(events), violations=wrong)
    assert {answer.status_code for answer in answers} == {200}
    assert wrong == []


def test_a_body_of_megabytes_is_not_read(sandbox: Provider):
    body = json.dumps({"id": "evt_1", "padding": "x" * 3_000_000})

    answer = Client().post(
        "/webhooks/stripe", body, content_type="application/json", headers={"Stripe-Signature": signature(body)}
    )

    assert answer.status_code in (400, 413)
