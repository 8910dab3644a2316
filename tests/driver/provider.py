"""The Stripe sandbox as tests use it: running over real HTTP, ordered about, its books looked into, its webhooks signed."""

from __future__ import annotations

import contextlib
import json
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import stripe
from django.db import connections
from django.test import Client

from local.stripe.server import Sandbox
from payments.gateways.stripe import adapter as stripe_adapter
from payments.gateways.stripe import words

SECRET = "whsec_sandbox"
PATIENCE_SECONDS = 60.0


class Provider:
    """The running sandbox, as a test orders it about and looks into its books."""

    def __init__(self, url: str) -> None:
        self.url = url
        session = stripe.RequestsClient(timeout=PATIENCE_SECONDS)
        self.stripe = stripe.StripeClient("sk_test_sandbox", base_addresses={"api": self.url}, http_client=session)
        self.close = session.close

    def control(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/sandbox/{path}", data=data, method=method)
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as response:
            return json.loads(response.read())

    def fail(self, kind: str, path: str, **more: Any) -> None:
        """Have the next request to `path` go wrong."""
        method = more.pop("method", "POST")
        self.control("POST", "faults", {"fault": kind, "match": {"method": method, "path": path}, **more})

    def calls_failed(self) -> int:
        return sum(fault["hits"] for fault in self.control("GET", "faults")["faults"])

    def wait_until_hit(self, hits: int = 1) -> None:
        """Return once the faults in force have met that many requests: the caller now is where the test wants it."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.calls_failed() < hits:
            assert time.monotonic() < deadline, "no request came to the fault"

    def heal(self) -> None:
        self.control("DELETE", "faults")

    def answer_challenge(self, order_id: uuid.UUID, outcome: str) -> None:
        self.control("POST", f"payment_intents/{self.intent(order_id).id}/authenticate", {"outcome": outcome})

    def expire(self, order_id: uuid.UUID) -> None:
        self.control("POST", f"payment_intents/{self.intent(order_id).id}/expire_authorization", {})

    def ledger(self, order_id: uuid.UUID) -> list[dict[str, Any]]:
        lines: list[dict[str, Any]] = self.control("GET", f"ledger?order_id={order_id}")["payment_intents"]
        return lines

    def money(self, order_id: uuid.UUID) -> tuple[int, int]:
        """Return how often money was taken for an order, and how much of it we still have."""
        lines = self.ledger(order_id)
        return sum(line["captures"] for line in lines), sum(line["net"] for line in lines)

    def intents(self, order_id: uuid.UUID) -> list[stripe.PaymentIntent]:
        listed = self.stripe.v1.payment_intents.list({"limit": 100}).data
        return [intent for intent in listed if intent.metadata.to_dict().get("order_id") == str(order_id)]

    def intent(self, order_id: uuid.UUID) -> stripe.PaymentIntent:
        (intent,) = self.intents(order_id)
        return intent

    def events(self, *types: str) -> list[dict[str, Any]]:
        """Return what happened, oldest first, as a webhook would carry it."""
        listed = self.stripe.v1.events.list({"limit": 100}).data
        told = [json.loads(json.dumps(event.to_dict())) for event in reversed(listed)]
        return [event for event in told if not types or event["type"] in types]


@pytest.fixture
def sandbox(settings: Any, database: None) -> Iterator[Provider]:
    with Sandbox() as running:
        settings.STRIPE_API_BASE = running.url
        settings.BREAKER_MINIMUM_CALLS = 1000
        settings.STRIPE_WEBHOOK_SECRETS = [SECRET]
        stripe_adapter.BREAKER.reset()
        provider = Provider(running.url)
        yield provider
        provider.close()
        close_provider_connection()
        stripe_adapter.BREAKER.reset()


def close_provider_connection() -> None:
    """Close this thread's connection to the provider, which the next test will not use."""
    used: Any = stripe_adapter.provider()
    used._client._requestor._client.close()


class Held:
    """A call to the provider whose caller has not heard the answer yet."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.goes_on = threading.Event()

    def wait(self) -> None:
        """Return once a caller is held."""
        assert self.reached.wait(PATIENCE_SECONDS), "no call came"


@contextlib.contextmanager
def held(operation: str, *, has_effect: bool = True) -> Iterator[Held]:
    """Hold the first caller of an operation of the provider, after its effect or before, until `goes_on` or the end."""
    call, found, first = getattr(stripe_adapter.StripeProvider, operation), Held(), threading.Lock()

    def hold() -> None:
        if first.acquire(blocking=False):
            found.reached.set()
            assert found.goes_on.wait(PATIENCE_SECONDS), "nobody let it go on"

    def late(provider: Any, **asked: Any) -> Any:
        if not has_effect:
            hold()
        answer = call(provider, **asked)
        if has_effect:
            hold()
        return answer

    with pytest.MonkeyPatch.context() as planted:
        planted.setattr(stripe_adapter.StripeProvider, operation, late)
        try:
            yield found
        finally:
            found.goes_on.set()


@contextlib.contextmanager
def refunds_refused(code: str = "balance_insufficient") -> Iterator[None]:
    """Have every refund refused, as by a provider whose account has no funds."""

    def refuse(_adapter: Any, **_asked: Any) -> Any:
        raise words.refusal("no refund now", operation="refund", code=code)

    with pytest.MonkeyPatch.context() as planted:
        planted.setattr(stripe_adapter.StripeProvider, "create_refund", refuse)
        yield


def post_signed(event: dict[str, Any], *, secret: str = SECRET, timestamp: int | None = None) -> Any:
    """Post an event as Stripe would: signed over its raw body."""
    body = json.dumps(event)
    signature = stripe.WebhookSignature.generate_signature_header(body, secret, timestamp)
    return Client().post(
        "/webhooks/stripe", body, content_type="application/json", headers={"Stripe-Signature": signature}
    )


@pytest.fixture
def post_webhook() -> Callable[..., Any]:
    return post_signed


def in_threads(*calls: Callable[[], Any]) -> list[Any]:
    """Run the calls at once, each on connections of its own; return what each gave or raised."""
    outcomes: list[Any] = [None] * len(calls)
    start = threading.Barrier(len(calls))

    def run(index: int, call: Callable[[], Any]) -> None:
        try:
            for alias in connections:
                connections[alias].ensure_connection()
            start.wait(PATIENCE_SECONDS)
            outcomes[index] = call()
        except Exception as error:  # noqa: BLE001  an outcome like any other
            outcomes[index] = error
        finally:
            connections.close_all()
            close_provider_connection()

    threads = [threading.Thread(target=run, args=item) for item in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes
