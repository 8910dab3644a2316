"""Idempotency-Key: an unsafe call repeated with its key gets the same answer, and the work happens once.

# Note [Who makes it happen once]
Not the row here: it is written after the work, so that nothing stays locked while a provider is called. Each use case
derives its ids from (user, key), as KeyedCall.operation_id does, and its own unique constraint lets one of two racing calls win.
The row only keeps the final answer; of two answers the one stored first is given to everybody. Answers that may turn
out differently next time (202, 5xx, a request that was refused before any work) are not kept.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import structlog
from django.conf import settings
from django.db import DatabaseError
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response

from shop import retention, transactions
from shop.cards import card_pointers, holds_card_number
from shop.errors import Refusal
from shop.ids import derived_id
from shop.models import IdempotencyKey
from shop.resilience.admission import turn_away
from shop.rest.admission import AdmittedView
from shop.rest.authentication import SignedIn
from shop.rest.keys import HEADER, is_key, key_of
from shop.rest.problem import problem_of
from shop.statements import Statement

KEPT_HEADERS = ("Content-Type", "Location", "ETag", "Retry-After", "Cache-Control", "Vary")
NOT_FINAL = frozenset({202, 400, 401, 403, 404, 405, 406, 412, 413, 415, 422, 428, 429})

_FIND_KEPT_ANSWER = Statement("shop", "find_kept_answer")
_KEEP_ANSWER = Statement("shop", "keep_answer")

log = structlog.get_logger(__name__)
View = TypeVar("View")
Sent = TypeVar("Sent", bound=Request)
More = ParamSpec("More")


class IdempotencyKeyMissing(Refusal):
    """Every unsafe call carries an Idempotency-Key header: a fresh UUID per intention, the same one on each retry."""

    code = "idempotency_key_missing"
    title = "Send an Idempotency-Key header"
    http_status = 400


class IdempotencyKeyMalformed(Refusal):
    """An Idempotency-Key has 1 to 200 visible ASCII characters and no comma; a UUID is best."""

    code = "idempotency_key_malformed"
    title = "This Idempotency-Key cannot be used"
    http_status = 400


class IdempotencyKeyReused(Refusal):
    """The key was used for another request before: a new intention needs a new key."""

    code = "idempotency_key_reused"
    title = "This Idempotency-Key was used for another request"
    http_status = 422
    fact_types = {"order_id": uuid.UUID | None}


class CardNumberSent(Refusal):
    """Card numbers go from the customer's browser to the payment provider; here they are refused, in whatever field."""

    code = "card_number_refused"
    title = "This holds what looks like a card number, which is never taken here"
    http_status = 422

    def __init__(self, detail: str = "", *, pointers: Iterable[str] = ()) -> None:
        super().__init__(detail)
        self.errors = [{"pointer": pointer, "detail": self.title} for pointer in pointers]


@dataclass(frozen=True)
class KeyedCall:
    """A call under its caller's key. `fingerprint`: SHA-256 of method, path and canonical body."""

    user_id: uuid.UUID
    key: str
    fingerprint: str

    def operation_id(self, *what: str) -> uuid.UUID:
        """Return the one id that belongs to this user's key (and `what`): `call.operation_id("order")`.

        Inserting under it makes the work happen once, whoever races (see Note [Who makes it happen once]).
        """
        return derived_id("idempotency", self.user_id, self.key, *what)


@dataclass(frozen=True)
class NotFinal:
    """An answer that may still change, whatever its status: it is given and not kept."""

    response: HttpResponseBase


Answer = HttpResponseBase | NotFinal


def response_of(answer: Answer) -> HttpResponseBase:
    """Return the response of an answer, final or not."""
    return answer.response if isinstance(answer, NotFinal) else answer


def idempotent(
    handle: Callable[Concatenate[View, Sent, KeyedCall, More], Answer],
) -> Callable[Concatenate[View, Sent, More], HttpResponseBase]:
    """Make a view's handler of an unsafe method idempotent by the caller's Idempotency-Key, which it is given.

    Its Refusals become answers here, so that the final ones are kept. Needs a signed-in user. An answer that may still
    change is kept from the store by its status, or by being NotFinal.
    """

    @wraps(handle)
    def handler(self: View, request: Sent, /, *args: More.args, **kwargs: More.kwargs) -> HttpResponseBase:
        key, fingerprint = read_key(request), fingerprint_of(request)
        refuse_card_numbers(request, key)
        call = KeyedCall(user_id=cast(uuid.UUID, request.user.pk), key=key, fingerprint=fingerprint)
        if (kept := _kept_answer(request, call)) is not None:
            return _replay(kept, fingerprint)
        if isinstance(self, AdmittedView) and self.may_only_repeat:
            raise turn_away()
        try:
            answer = handle(self, request, call, *args, **kwargs)
        except Refusal as refusal:
            answer = problem_of(refusal).response()
        response = response_of(answer)
        undecided = response.status_code >= 500 or response.status_code in NOT_FINAL  # noqa: PLR2004  server errors
        if undecided or isinstance(answer, NotFinal):
            return response
        return _keep(self, request, call, response)

    handler.idempotent = True  # type: ignore[attr-defined]
    return handler


def read_key(request: Request) -> str:
    """Return the caller's key. Raises: IdempotencyKeyMissing, IdempotencyKeyMalformed."""
    key = key_of(request)
    if not key:
        raise IdempotencyKeyMissing
    if not is_key(key):
        raise IdempotencyKeyMalformed
    return key


def fingerprint_of(request: Request) -> str:
    """Return what tells this request from another one with the same key: method, path, and body as a value.

    Raises: ParseError, PayloadTooLarge.
    """
    body = json.dumps(request.data, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    text = "\n".join([request.method or "", request.get_full_path(), body])
    return hashlib.sha256(text.encode()).hexdigest()


def refuse_card_numbers(request: Request, key: str) -> None:
    """Insist that neither the body nor the key, which are stored, holds a card number. Raises: CardNumberSent."""
    if holds_card_number(key):
        raise CardNumberSent(f"The {HEADER} holds what looks like a card number; send a fresh UUID")
    if pointers := sorted(card_pointers(request.data)):
        raise CardNumberSent(pointers=pointers)


def prune_idempotency_keys() -> int:
    """Delete kept answers past IDEMPOTENCY_RETENTION_HOURS; return how many went."""
    kept = timedelta(hours=settings.IDEMPOTENCY_RETENTION_HOURS)
    return retention.delete_for_a_while(
        retention.Pruning("shop", IdempotencyKey.objects.all(), age="created_at", kept=kept)
    )


@dataclass(frozen=True)
class _Kept:
    """A final answer as it was given."""

    fingerprint: str
    status: int
    headers: dict[str, str]
    body: str


def _kept_answer(request: Request, call: KeyedCall) -> _Kept | None:
    """Return what is kept under the key: as it was read with the caller's session, where it was."""
    looked_up = request.auth.kept_answer if isinstance(request.auth, SignedIn) else None
    if looked_up is None or (looked_up.user_id, looked_up.key) != (call.user_id, call.key):
        return _find(call)
    return _read(looked_up.row)


def _find(call: KeyedCall) -> _Kept | None:
    return _read(_FIND_KEPT_ANSWER.one(user_id=call.user_id, key=call.key))


def _read(row: tuple[Any, ...] | None) -> _Kept | None:
    return None if row is None else _Kept(row[0], row[1], json.loads(row[2]), row[3])


def _replay(kept: _Kept, fingerprint: str) -> HttpResponse:
    if kept.fingerprint != fingerprint:
        raise IdempotencyKeyReused
    return HttpResponse(kept.body, status=kept.status, headers=kept.headers | {"Idempotent-Replayed": "true"})


def _keep(view: Any, request: Request, call: KeyedCall, response: HttpResponseBase) -> HttpResponseBase:
    """Store a final answer; return it, or the one that was stored first."""
    final = _render(view, request, response)
    try:
        if _insert(request, call, final):
            return final
        winner = _find(call)
    except DatabaseError:
        # The work is done and committed; a retry finds it by its own id and answers the same.
        log.exception("idempotency.answer_not_kept")
        return final
    if winner is None:
        return final
    if winner.fingerprint != call.fingerprint:
        # Two requests at once under one key: this one's work is done too, and its answer must say so.
        log.warning("idempotency.key_reused_at_once", path=request.path)
        return final
    return _replay(winner, call.fingerprint)


def _render(view: Any, request: Request, response: HttpResponseBase) -> HttpResponse:
    """Return a DRF answer as plain bytes, so that the first answer and its replays are the same to the byte."""
    if isinstance(response, Response):
        rendered: Response = view.finalize_response(request, response)
        rendered.render()
        final = HttpResponse(rendered.content, status=rendered.status_code)
        for name, value in rendered.items():
            final[name] = value
        return final
    if isinstance(response, HttpResponse):
        return response
    raise TypeError(f"an idempotent view answers with a whole response, not {type(response).__name__}")


def _insert(request: Request, call: KeyedCall, response: HttpResponse) -> bool:
    """Write the row in one statement of its own; return False where there is one already."""
    headers = {name: response[name] for name in KEPT_HEADERS if response.has_header(name)}
    with transactions.single("shop"):
        row = _KEEP_ANSWER.one(
            user_id=call.user_id,
            key=call.key,
            method=request.method,
            path=request.path[:500],
            fingerprint=call.fingerprint,
            response_status=response.status_code,
            response_headers=json.dumps(headers),
            response_body=response.content.decode(),
        )
    return row is not None
