"""Who speaks to the sandbox, and who hears its webhooks."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests
import stripe

NO_REDIRECTS = {"enabled": True, "allow_redirects": "never"}
DEADLINE_SECONDS = 60.0
SESSIONS: list[requests.Session] = []


def until(condition: Callable[[], Any]) -> Any:
    """Wait for a condition; give what it gave."""
    end = time.monotonic() + DEADLINE_SECONDS
    pause = threading.Event()
    while time.monotonic() < end:
        if result := condition():
            return result
        pause.wait(0.01)
    raise AssertionError("the condition never came true")


def failure(error: stripe.StripeError) -> Any:
    """Return what Stripe says of an error."""
    body: Any = error.json_body
    return body["error"]


class Control:
    """Speaks the sandbox's control API."""

    def __init__(self, url: str) -> None:
        self.url = url

    def call(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/sandbox/{path}", data=data, method=method)
        with urllib.request.urlopen(request, timeout=DEADLINE_SECONDS) as response:
            return json.loads(response.read())

    def get(self, path: str) -> Any:
        return self.call("GET", path)

    def post(self, path: str, body: Any = None) -> Any:
        return self.call("POST", path, {} if body is None else body)

    def refused(self, path: str, body: Any) -> str:
        """Post what the sandbox must refuse; give its message."""
        with pytest.raises(urllib.error.HTTPError) as caught:
            self.post(path, body)
        with caught.value as answer:
            return str(json.loads(answer.read())["error"]["message"])

    def fault(self, kind: str, *, path: str = "*", method: str = "POST", **more: Any) -> None:
        match = {"method": method, "path": path}
        if "metadata" in more:
            match["metadata"] = more.pop("metadata")
        self.post("faults", {"fault": kind, "match": match, **more})


class Shop:
    """Stripe's SDK, with the few calls the tests make all the time."""

    def __init__(
        self, url: str, *, key: str = "sk_test_sandbox", timeout: float = DEADLINE_SECONDS, retries: int = 0
    ) -> None:
        session = requests.Session()
        SESSIONS.append(session)
        client = stripe.RequestsClient(timeout=timeout, session=session)
        self.stripe = stripe.StripeClient(
            key, base_addresses={"api": url}, max_network_retries=retries, http_client=client
        )
        self.intents = self.stripe.v1.payment_intents
        self.refunds = self.stripe.v1.refunds
        self.disputes = self.stripe.v1.disputes

    def create(self, *, key: str | None = None, **params: Any) -> stripe.PaymentIntent:
        given: Any = {
            "amount": 5000,
            "currency": "eur",
            "capture_method": "manual",
            "automatic_payment_methods": NO_REDIRECTS,
            **params,
        }
        return self.intents.create(given, {"idempotency_key": key} if key else {})

    def authorized(self, **params: Any) -> stripe.PaymentIntent:
        return self.create(confirm=True, payment_method="pm_card_visa", **params)

    def captured(self, **params: Any) -> stripe.PaymentIntent:
        return self.intents.capture(self.authorized(**params).id)

    def captured_with(self, card: str) -> stripe.PaymentIntent:
        return self.intents.capture(self.create(confirm=True, payment_method=card).id)

    def event_types(self) -> list[str]:
        return [event.type for event in reversed(self.stripe.v1.events.list({"limit": 100}).data)]


class Receiver:
    """A webhook endpoint: keeps what it gets and answers with `statuses` in turn, then with 200."""

    def __init__(self) -> None:
        self.received: list[tuple[bytes, str]] = []
        self.statuses: list[int] = []
        self.connections = 0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                receiver.connections += 1
                super().setup()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.received.append((body, self.headers["Stripe-Signature"]))
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/webhooks"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def types(self) -> list[str]:
        return [json.loads(body)["type"] for body, _ in list(self.received)]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
