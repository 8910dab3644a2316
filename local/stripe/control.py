"""What only a sandbox has, under /sandbox/: faults, delivery of webhooks, the shopper's bank, time, the ledger."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from local.stripe import attempts, disputes, errors, intents, ledger, refunds, shapes
from local.stripe.calls import Request, Response, new_request_id, refused
from local.stripe.faults import KINDS, BadFault, Faults, read_fault
from local.stripe.store import Store
from local.stripe.webhooks import BadSettings, Webhooks

Json = dict[str, Any]

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Test bank</title>
<meta name="viewport" content="width=device-width"><h1>Test bank</h1>
<p>Payment <code>{id}</code> of {amount} {currency}: {status}</p>
<form method="post"><button name="outcome" value="approve">Approve</button>
<button name="outcome" value="fail">Fail</button></form></html>"""


class BadControl(ValueError):
    """A control request the sandbox does not understand."""


class Control:
    """Answers /sandbox/ requests."""

    def __init__(self, *, store: Store, faults: Faults, webhooks: Webhooks) -> None:
        self._store = store
        self._faults = faults
        self._webhooks = webhooks
        self._routes: dict[tuple[str, str], Callable[[Json], Json]] = {
            ("GET", "health"): self._health,
            ("POST", "reset"): self._reset,
            ("GET", "faults"): self._show_faults,
            ("POST", "faults"): self._add_fault,
            ("DELETE", "faults"): self._clear_faults,
            ("GET", "webhooks"): self._show_webhooks,
            ("POST", "webhooks"): self._change_webhooks,
            ("POST", "webhooks/flush"): self._flush_webhooks,
            ("POST", "clock"): self._advance_clock,
        }

    def answer(self, *, request: Request) -> Response:
        """Answer a control request."""
        try:
            return self._route(request, request.path.removeprefix("/sandbox/").rstrip("/"))
        except (BadControl, BadFault, BadSettings) as error:
            return _problem(400, str(error))
        except errors.StripeError as error:
            return refused(error=error, request_id=new_request_id())

    def _route(self, request: Request, path: str) -> Response:
        if request.method == "GET" and path == "ledger":
            return self._ledger(request)
        if match := re.fullmatch(r"authenticate/(pi_\w+)", path):
            return self._bank_page(request, match.group(1))
        action = self._routes.get((request.method, path))
        named = re.fullmatch(r"(\w+)/(\w+)/(\w+)", path) if request.method == "POST" else None
        if action is None and named:
            action = self._action_on(kind=named.group(1), object_id=named.group(2), verb=named.group(3))
        if action is None:
            return _problem(404, f"no such control: {request.method} {request.path}")
        return Response(status=200, body=action(_read_json(request.body)))

    def _action_on(self, *, kind: str, object_id: str, verb: str) -> Callable[[Json], Json] | None:
        actions = {
            ("payment_intents", "authenticate"): self._answer_challenge,
            ("payment_intents", "expire_authorization"): self._expire,
            ("payment_intents", "dispute"): self._dispute,
            ("refunds", "settle"): self._settle_refund,
            ("disputes", "settle"): self._settle_dispute,
        }
        action = actions.get((kind, verb))
        return partial(action, object_id) if action else None

    def _health(self, asked: Json) -> Json:
        return {"status": "ok", "time": self._store.now()}

    def _show_faults(self, asked: Json) -> Json:
        return {"faults": self._faults.shown(), "kinds": KINDS}

    def _show_webhooks(self, asked: Json) -> Json:
        return self._webhooks.shown()

    def _flush_webhooks(self, asked: Json) -> Json:
        return self._webhooks.flush()

    def _reset(self, asked: Json) -> Json:
        self._faults.clear()
        self._webhooks.restore()
        self._store.clear()
        return {"reset": True}

    def _add_fault(self, asked: Json) -> Json:
        fault = read_fault(asked=asked)
        self._faults.add(fault=fault)
        return fault.shown()

    def _clear_faults(self, asked: Json) -> Json:
        self._faults.clear()
        return {"faults": []}

    def _change_webhooks(self, asked: Json) -> Json:
        self._webhooks.change(asked=asked)
        return self._webhooks.shown()

    def _advance_clock(self, asked: Json) -> Json:
        seconds = asked.get("advance_seconds")
        if not isinstance(seconds, int) or isinstance(seconds, bool) or seconds < 0:
            raise BadControl("advance_seconds must be a whole number of seconds, and not negative")
        now = self._store.advance(seconds=seconds)
        with self._store.transaction() as tx:
            rows = tx.execute(
                "SELECT i.id FROM objects i JOIN objects c ON c.id = i.body ->> 'latest_charge'"
                " WHERE i.kind = 'payment_intent' AND i.body ->> 'status' = 'requires_capture'"
                " AND c.body ->> '$.payment_method_details.card.capture_before' <= ? ORDER BY i.seq",
                (now,),
            ).fetchall()
            for (intent_id,) in rows:
                intents.expire_authorization(tx, intent_id=intent_id)
        return {"time": now, "expired": [intent_id for (intent_id,) in rows]}

    def _answer_challenge(self, intent_id: str, asked: Json) -> Json:
        outcome = asked.get("outcome", "approve")
        if outcome not in ("approve", "fail"):
            raise BadControl("outcome must be approve or fail")
        return self._authenticate(intent_id, approved=outcome == "approve")

    def _expire(self, intent_id: str, asked: Json) -> Json:
        reason = asked.get("reason", "expired")
        if reason not in ("expired", "automatic"):
            raise BadControl("reason must be expired or automatic")
        with self._store.transaction() as tx:
            return shapes.visible(intents.expire_authorization(tx, intent_id=intent_id, reason=reason))

    def _authenticate(self, intent_id: str, *, approved: bool) -> Json:
        with self._store.transaction() as tx:
            intent = intents.find(tx, intent_id=intent_id)
            return shapes.visible(attempts.authenticate(tx, intent=intent, approved=approved))

    def _dispute(self, intent_id: str, asked: Json) -> Json:
        reason, inquiry, amount = asked.get("reason", "fraudulent"), asked.get("inquiry", False), asked.get("amount")
        if not isinstance(reason, str) or not isinstance(inquiry, bool):
            raise BadControl("reason must be a string, and inquiry true or false")
        if amount is not None and (not isinstance(amount, int) or isinstance(amount, bool) or amount < 1):
            raise BadControl("amount must be a whole number, and at least 1")
        with self._store.transaction() as tx:
            intent = intents.find(tx, intent_id=intent_id)
            charge = attempts.latest_charge(tx, intent=intent)
            return disputes.open_dispute(
                tx, intent=intent, charge=charge, reason=reason, inquiry=inquiry, amount=amount
            )

    def _settle_dispute(self, dispute_id: str, asked: Json) -> Json:
        outcome = asked.get("outcome", "win")
        if outcome not in disputes.OUTCOMES:
            raise BadControl(f"outcome must be one of {', '.join(disputes.OUTCOMES)}")
        with self._store.transaction() as tx:
            return disputes.decide(tx, dispute_id=dispute_id, outcome=outcome)

    def _settle_refund(self, refund_id: str, asked: Json) -> Json:
        outcome = asked.get("outcome", "succeed")
        if outcome not in ("succeed", "fail"):
            raise BadControl("outcome must be succeed or fail")
        with self._store.transaction() as tx:
            return refunds.settle(tx, refund_id=refund_id, succeeded=outcome == "succeed")

    def _ledger(self, request: Request) -> Response:
        order_ids = parse_qs(request.query).get("order_id", [None])
        with self._store.transaction() as tx:
            return Response(status=200, body=ledger.read_ledger(tx, order_id=order_ids[0]))

    def _bank_page(self, request: Request, intent_id: str) -> Response:
        """Be the bank's page the shopper is sent to, and send them back to where they came from."""
        with self._store.transaction() as tx:
            intent = intents.find(tx, intent_id=intent_id)
        if request.method != "POST":
            shown = {name: html.escape(str(intent[name])) for name in ("id", "amount", "currency", "status")}
            return Response(status=200, body={"html": PAGE.format(**shown)})
        outcome = parse_qs(request.body.decode(errors="replace")).get("outcome", ["fail"])[0]
        after = self._authenticate(intent_id, approved=outcome == "approve")
        return_url = intent["_"]["return_url"]
        if not return_url:
            return Response(status=200, body={"html": f"<!doctype html><p>{html.escape(after['status'])}</p>"})
        good = after["status"] in ("requires_capture", "succeeded", "requires_confirmation")
        query = {
            "payment_intent": intent_id,
            "payment_intent_client_secret": intent["client_secret"],
            "redirect_status": "succeeded" if good else "failed",
        }
        joint = "&" if urlsplit(return_url).query else "?"
        return Response(status=303, body={"html": ""}, headers={"Location": return_url + joint + urlencode(query)})


def _read_json(body: bytes) -> Json:
    if not body.strip():
        return {}
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadControl(f"the body is not JSON: {error}") from error
    if not isinstance(asked, dict):
        raise BadControl("the body must be a JSON object")
    return asked


def _problem(status: int, message: str) -> Response:
    return Response(status=status, body={"error": {"type": "sandbox_error", "message": message}})
