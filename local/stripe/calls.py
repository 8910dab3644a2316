"""One call to /v1 from its bytes to its answer: key, route, parameters, idempotency, effect."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from local.stripe import endpoints, errors, idempotency, params
from local.stripe.endpoints import Endpoint
from local.stripe.idempotency import Answer
from local.stripe.store import Store, Transaction, new_id

Json = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """A request as it came over the wire; header names are in lower case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    base_url: str


@dataclass(frozen=True)
class Response:
    """What goes back."""

    status: int
    body: Json
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Call:
    """A request whose key and address are good."""

    request: Request
    endpoint: Endpoint
    object_id: str
    raw: Json
    key: str | None
    shopper: bool
    request_id: str


class Api:
    """Executes calls against a store."""

    def __init__(self, *, store: Store, secret_key: str) -> None:
        self._store = store
        self._secret_key = secret_key
        self._in_progress = idempotency.InProgress()

    def open(self, *, request: Request, request_id: str) -> Call:
        """Check who asks and what for. Raises: StripeError."""
        shopper = self._authorize(request)
        endpoint, object_id = endpoints.route(method=request.method, path=request.path)
        if shopper and not endpoint.shopper:
            raise errors.StripeError(
                status=401,
                kind="invalid_request_error",
                code="secret_key_required",
                message="This API call cannot be made with a publishable API key. Use a secret key.",
                saved=False,
            )
        source = request.query
        if request.method == "POST":
            try:
                source = request.body.decode()
            except UnicodeDecodeError as error:
                raise errors.invalid(message="Invalid request body: not UTF-8", saved=False) from error
        key = request.headers.get("idempotency-key") if request.method == "POST" else None
        idempotency.check_key(key=key)
        return Call(
            request=request,
            endpoint=endpoint,
            object_id=object_id,
            raw=params.parse_form(source),
            key=key,
            shopper=shopper,
            request_id=request_id,
        )

    def _authorize(self, request: Request) -> bool:
        """Return whether it is a shopper's publishable key. Raises: StripeError (401)."""
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        key = ""
        if scheme.lower() == "bearer":
            key = value.strip()
        elif scheme.lower() == "basic":
            try:
                key = base64.b64decode(value, validate=True).decode().partition(":")[0]
            except (binascii.Error, UnicodeDecodeError):
                key = ""
        if key.startswith("pk_test_"):
            return True
        if not hmac.compare_digest(key.encode(), self._secret_key.encode()):
            raise errors.unauthorized(key=key)
        return False

    def metadata(self, *, call: Call) -> Json:
        """Give the metadata a fault can be matched by: the request's own, or that of the intent it is about."""
        given = call.raw.get("metadata")
        if isinstance(given, dict) and given:
            return given
        named = call.object_id or call.raw.get("payment_intent", "")
        with self._store.transaction() as tx:
            intent = tx.find(kind="payment_intent", object_id=str(named))
        return intent["metadata"] if intent else {}

    def is_replay(self, *, call: Call) -> bool:
        """Return whether the call's key has its answer already."""
        if call.key is None:
            return False
        with self._store.transaction() as tx:
            row = tx.execute(
                "SELECT 1 FROM answers WHERE key = ? AND created > ?", (call.key, tx.now - idempotency.KEPT_SECONDS)
            ).fetchone()
        return row is not None

    def run(self, *, call: Call, wait: Callable[[], bool] | None = None, then_fail: bool = False) -> Response:
        """Execute a call once. Raises: StripeError only for what is not kept under its key.

        `wait` runs while the key is held and before anything happens; when it gives False the call is abandoned.
        `then_fail` keeps the effect and answers 500.
        """
        with self._in_progress.using(key=call.key):
            if wait is not None and not wait():
                raise errors.server_error(saved=False)
            return self._run(call, then_fail)

    def _run(self, call: Call, then_fail: bool) -> Response:
        cause = {"id": call.request_id, "idempotency_key": call.key}
        path = call.request.path
        with self._store.transaction(request=cause if call.request.method == "POST" else None) as tx:
            tx.base_url = call.request.base_url
            if call.key is not None:
                kept = idempotency.recall(tx, key=call.key, path=path, params=call.raw)
                if kept is not None:
                    return _respond(call, kept, replayed=True)
            answer = self._answer(tx, call)
            if then_fail:
                failure = errors.server_error(saved=True)
                body = failure.body(request_id=call.request_id)
                answer = Answer(status=500, body=body, request_id=call.request_id, should_retry="false")
            if call.key is not None:
                idempotency.keep(tx, key=call.key, path=path, params=call.raw, answer=answer)
        return _respond(call, answer, replayed=False)

    def _answer(self, tx: Transaction, call: Call) -> Answer:
        """Give the answer to keep. Raises: StripeError for one that is not kept; then nothing has happened."""
        endpoint = call.endpoint
        accepted = params.accept(call.raw, fields=endpoint.fields, required=endpoint.required)
        try:
            with tx.undoing(unless=lambda error: isinstance(error, errors.StripeError) and error.keeps_effects):
                if call.shopper:
                    endpoints.check_client_secret(tx, intent_id=call.object_id, secret=accepted.get("client_secret"))
                body = endpoint.action(tx, call.object_id, accepted)
                shown = endpoints.rendered(tx, body=body, params=accepted, shopper=call.shopper)
        except errors.StripeError as error:
            if not error.saved:
                raise
            return Answer(status=error.status, body=error.body(request_id=call.request_id), request_id=call.request_id)
        return Answer(status=200, body=shown, request_id=call.request_id)


def _respond(call: Call, answer: Answer, *, replayed: bool) -> Response:
    headers = {"Request-Id": call.request_id}
    if call.key is not None:
        headers["Idempotency-Key"] = call.key
        headers["Original-Request"] = answer.request_id
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    if answer.should_retry is not None:
        headers["Stripe-Should-Retry"] = answer.should_retry
    return Response(status=answer.status, body=answer.body, headers=headers)


def refused(*, error: errors.StripeError, request_id: str) -> Response:
    """Give the response for an error that is not kept."""
    headers = {"Request-Id": request_id}
    if error.should_retry is not None:
        headers["Stripe-Should-Retry"] = "true" if error.should_retry else "false"
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Basic realm="Stripe"'
    return Response(status=error.status, body=error.body(request_id=request_id), headers=headers)


def new_request_id() -> str:
    """Make the id of a request."""
    return new_id(prefix="req_", length=14)
