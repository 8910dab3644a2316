"""The card provider in process: the sandbox's own code below the SDK, without a socket, and what goes wrong on the way.

A fault is put on the way of one request by the scheduler. A request that arrives late waits in `late` until the
scheduler lets it arrive; what the provider would tell by webhook waits in `notices`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode, urlsplit

import stripe

from local.stripe import attempts, disputes, errors, intents, ledger, refunds
from local.stripe.calls import Api, Request, Response, new_request_id, refused
from local.stripe.store import Store, Transaction
from payments.gateways.stripe import adapter as stripe_adapter
from payments.gateways.stripe.words import NOTICES
from tests.proof.crashes.points import PROVIDERS_ID
from tests.proof.simulator.clock import VirtualClock
from tests.proof.simulator.points import Meeting

SECRET_KEY = "sk_test_sandbox"
TIMEOUT_SECONDS = 3.0
LATE_BUT_IN_TIME_SECONDS = 2.0

# What may happen to a request; the words are those of the report.
FAULTS = {
    "answer late": "the answer comes two seconds late",
    "answer lost": "the effect happens, the answer never comes",
    "never answered": "no effect, no answer",
    "connection reset": "no effect, the connection is reset",
    "request late": "the client gives up; the request arrives later",
    "error 500": "no effect, 500",
    "error 500 after the effect": "the effect happens, 500 is answered and kept under its key",
    "error 429": "no effect, 429",
    "error 409": "no effect, 409 as if the key were in use",
}
EXPIRIES = {
    "authorization expires before the capture": "the authorization expires just before the request arrives",
    "authorization expires at the capture": "the authorization expires as the request arrives, and no answer comes",
    "authorization expires after the capture": "the capture is carried out, its answer is lost, the hold would expire",
}

ANSWERED = ("answer late", "error 500 after the effect", "authorization expires before the capture")
REFUSED: dict[str, Callable[[], errors.StripeError]] = {
    "error 500": lambda: errors.server_error(saved=False),
    "error 429": errors.rate_limited,
    "error 409": lambda: errors.key_in_use(key=""),
}


@dataclass
class Line:
    """An intent in the provider's books, in the order of creation."""

    intent_id: str
    order_id: str
    status: str


@dataclass
class DisputeLine:
    """A dispute in the provider's books; `kept`: what of the order's money is still ours."""

    dispute_id: str
    order_id: str
    status: str
    amount: int
    kept: int


class Bank:
    """The provider's books and its front door."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self._store = Store(database=":memory:")
        self._store.now = lambda: int(clock.moment.timestamp())  # type: ignore[method-assign]
        self._api = Api(store=self._store, secret_key=SECRET_KEY)
        self.late: list[Request] = []
        self.notices: list[dict[str, Any]] = []
        self._told_up_to = 0
        self.known_lines: list[Line] = []
        self.disputed = False
        self.reinstated: set[str] = set()

    def reset(self) -> None:
        """Forget everything."""
        self._store.clear()
        self.late, self.notices, self._told_up_to = [], [], 0
        self.disputed, self.reinstated = False, set()

    def close(self) -> None:
        """Close the books."""
        self._store.close()

    # --- requests ---------------------------------------------------------------------------------------------------
    def answer(self, request: Request, *, then_fail: bool = False) -> Response:
        """Carry a request out and answer it."""
        request_id = new_request_id()
        try:
            call = self._api.open(request=request, request_id=request_id)
            return self._api.run(call=call, then_fail=then_fail)
        except errors.StripeError as error:
            return refused(error=error, request_id=request_id)

    def answer_under(self, fault: str, request: Request) -> Response | None:
        """Carry a request out as a fault has it; None where no answer comes."""
        if fault in REFUSED:
            return refused(error=REFUSED[fault](), request_id=new_request_id())
        if fault in ("authorization expires before the capture", "authorization expires at the capture"):
            self.expire(_intent_of(request))
        if fault == "request late":
            self.late.append(request)
        elif fault not in ("never answered", "connection reset"):
            response = self.answer(request, then_fail=fault == "error 500 after the effect")
            if fault in ANSWERED:
                self.clock.advance(LATE_BUT_IN_TIME_SECONDS * (fault == "answer late"))
                return response
        if fault == "authorization expires after the capture":
            self.expire(_intent_of(request))
        if fault != "connection reset":
            self.clock.advance(TIMEOUT_SECONDS)
        return None

    def let_late_request_arrive(self, number: int) -> str:
        """Carry out a request whose client has long given up; say which and what came of it."""
        request = self.late.pop(number)
        return f"{request.method} {_shown(request.path)}: {self.answer(request).status}"

    # --- what is done at the provider without the shop ------------------------------------------------------------------
    def authenticate(self, intent_id: str, *, approved: bool) -> str:
        """Answer the 3-D Secure challenge; return the status then."""

        def act(tx: Transaction) -> dict[str, Any]:
            return attempts.authenticate(tx, intent=intents.find(tx, intent_id=intent_id), approved=approved)

        return self._act(act)

    def expire(self, intent_id: str) -> str:
        """Let the hold of an authorization run out, where there is one; return the status then."""
        return self._act(lambda tx: intents.expire_authorization(tx, intent_id=intent_id))

    def dispute(self, intent_id: str, *, inquiry: bool, amount: int) -> str:
        """Have the cardholder's bank dispute a charge, or ask about it; return the status then."""
        self.disputed = True

        def act(tx: Transaction) -> dict[str, Any]:
            intent = intents.find(tx, intent_id=intent_id)
            charge = attempts.latest_charge(tx, intent=intent)
            return disputes.open_dispute(
                tx, intent=intent, charge=charge, reason="fraudulent", inquiry=inquiry, amount=amount
            )

        return self._act(act)

    def answer_dispute(self, dispute_id: str) -> str:
        """Have the shop send evidence, which moves a dispute to its review; return the status then."""
        params = {"evidence": {"uncategorized_text": "it was delivered"}}
        return self._act(lambda tx: disputes.update(tx, dispute_id=dispute_id, params=params))

    def decide(self, line: DisputeLine, outcome: str) -> str:
        """Bring a dispute to an outcome of the sandbox; return the status then."""
        if outcome == "win" and (line.status == "lost" or line.status.startswith("appeal")):
            self.reinstated.add(line.order_id)
        return self._act(lambda tx: disputes.decide(tx, dispute_id=line.dispute_id, outcome=outcome))

    def carry_out_refunds(self) -> None:
        """Have banks finish the refunds on which they take their time."""
        with self._store.transaction() as tx:
            pending = tx.execute(
                "SELECT id FROM objects WHERE kind = 'refund' AND body ->> 'status' = 'pending' ORDER BY seq"
            ).fetchall()
            for (refund_id,) in pending:
                refunds.settle(tx, refund_id=refund_id, succeeded=True)

    def _act(self, act: Callable[[Transaction], dict[str, Any]]) -> str:
        try:
            with self._store.transaction() as tx:
                return str(act(tx)["status"])
        except errors.StripeError:
            return "refused"

    def confirm_again(self, intent_id: str, payment_method: str) -> str:
        """Confirm with another card, as whoever holds the client_secret can; return the status then."""
        with self._store.transaction() as tx:
            secret = intents.find(tx, intent_id=intent_id)["client_secret"]
        body = urlencode({"client_secret": secret, "payment_method": payment_method, "use_stripe_sdk": "true"})
        path, headers = f"/v1/payment_intents/{intent_id}/confirm", {"authorization": "Bearer pk_test_sandbox"}
        response = self.answer(Request("POST", path, "", headers, body.encode(), "http://provider"))
        return str(response.body.get("status") or response.body.get("error", {}).get("code"))

    # --- the books ------------------------------------------------------------------------------------------------------
    def lines(self) -> list[Line]:
        """Return every intent, oldest first."""
        with self._store.transaction() as tx:
            rows = tx.execute(
                "SELECT id, body ->> '$.metadata.order_id', body ->> 'status' FROM objects"
                " WHERE kind = 'payment_intent' ORDER BY seq"
            ).fetchall()
        return [Line(*row) for row in rows]

    def disputes(self) -> list[DisputeLine]:
        """Return every dispute, oldest first."""
        if not self.disputed:
            return []
        kept = {line["id"]: (line["order_id"], line["net"]) for line in self.ledger()}
        with self._store.transaction() as tx:
            rows = tx.execute(
                "SELECT id, payment_intent, body ->> 'status', body ->> 'amount' FROM objects"
                " WHERE kind = 'dispute' ORDER BY seq"
            ).fetchall()
        return [
            DisputeLine(dispute_id, kept[intent_id][0], status, int(amount), kept[intent_id][1])
            for dispute_id, intent_id, status, amount in rows
        ]

    def order_of(self, text: str) -> str:
        """Return the order of the intent that a notice names, "" where it names none."""
        return next((line.order_id for line in self.lines() if line.intent_id in text), "")

    def ledger(self) -> list[dict[str, Any]]:
        """Return the money of every intent."""
        with self._store.transaction() as tx:
            found: list[dict[str, Any]] = ledger.read_ledger(tx, order_id=None)["payment_intents"]
        return found

    def collect_notices(self) -> None:
        """Write a webhook for everything that has happened since the last time."""
        with self._store.transaction() as tx:
            rows = tx.execute(
                "SELECT seq, label, body FROM objects WHERE kind = 'event' AND seq > ? ORDER BY seq",
                (self._told_up_to,),
            ).fetchall()
        for seq, label, body in rows:
            self._told_up_to = seq
            if label in NOTICES:
                self.notices.append(json.loads(body))


class Wire(stripe.HTTPClient):
    """The SDK's way to the provider."""

    name = "in process"

    def __init__(self, bank: Bank, meeting: Meeting, take_fault: Callable[[str, str], str]) -> None:
        super().__init__()
        self._bank = bank
        self._meeting = meeting
        self._take_fault = take_fault

    def request(
        self, method: str, url: str, headers: Any, post_data: Any = None, *, _usage: Any = None
    ) -> tuple[Any, int, Any]:
        """Send one request."""
        parts = urlsplit(url)
        name = f"stripe {method.upper()} {_shown(parts.path)}"
        lowered = {key.lower(): str(value) for key, value in (headers or {}).items()}
        body = post_data.encode() if isinstance(post_data, str) else post_data or b""
        request = Request(method.upper(), parts.path, parts.query, lowered, body, "http://provider")
        self._meeting.before(name, kind="provider")
        fault = self._take_fault(request.method, parts.path)
        response = self._bank.answer_under(fault, request) if fault else self._bank.answer(request)
        self._meeting.after(name, kind="provider")
        if response is None:
            raise stripe.APIConnectionError("no answer came")
        return json.dumps(response.body), int(HTTPStatus(response.status)), response.headers

    def close(self) -> None:
        """There is nothing to close."""


@contextmanager
def spoken_to(client: Wire) -> Iterator[None]:
    """Have the product's adapter speak to the provider through this client."""
    adapter: Any = stripe_adapter.provider()
    requestor = adapter._client._requestor
    kept, requestor._client = requestor._client, client
    try:
        yield
    finally:
        requestor._client = kept


def _shown(path: str) -> str:
    return PROVIDERS_ID.sub("*", path)


def _intent_of(request: Request) -> str:
    return request.path.split("/")[3]
