"""Idempotency-Key: an unsafe call repeated with its key gets the same answer, and the work happens once.

# Note [Who makes it happen once]
Not the row here: it is written after the work, so that nothing stays locked while a provider is called. Each use case
derives its ids from (user, key) with `operation_id`, and its own unique constraint lets one of two racing calls win.
The row only keeps the final answer; of two answers the one stored first is given to everybody. Answers that may turn
out otherwise next time (202, 5xx, a request that was refused before any work) are not kept.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from typing import Any, TypeVar

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
from shop.rest.keys import HEADER, is_key, key_of
from shop.rest.problem import problem_of
from shop.rest.sessions import KeptAnswer
from shop.statements import Statement

KEPT_HEADERS = ("Content-Type", "Location", "ETag", "Retry-After", "Cache-Control", "Vary")
NOT_FINAL = frozenset({202, 400, 401, 403, 404, 405, 406, 412, 413, 415, 422, 428, 429})

_FIND_KEPT_ANSWER = Statement("shop", "find_kept_answer")
_KEEP_ANSWER = Statement("shop", "keep_answer")

log = structlog.get_logger(__name__)
View = TypeVar("View", bound=Callable[..., Any])


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


def idempotent(view: View) -> View:
    """Make a view's handler of an unsafe method idempotent by the caller's Idempotency-Key.

    Gives the handler `request.idempotency_key` and `request.idempotency_fingerprint` (SHA-256 of method, path and
    canonical body). Its Refusals become answers here, so that the final ones are kept. Needs a signed-in user. An answer
    that may still change is kept from the store by its status, or by `response.is_final = False`.
    """

    @wraps(view)
    def handler(self: Any, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        key, fingerprint = read_key(request), fingerprint_of(request)
        refuse_card_numbers(request, key)
        request.idempotency_key = key  # type: ignore[attr-defined]
        request.idempotency_fingerprint = fingerprint  # type: ignore[attr-defined]
        if (kept := _kept_answer(request, key)) is not None:
            return _replay(kept, fingerprint)
        if getattr(request, "may_only_repeat", False):
            raise turn_away()
        try:
            response = view(self, request, *args, **kwargs)
        except Refusal as refusal:
            response = problem_of(refusal).response()
        undecided = response.status_code >= 500 or response.status_code in NOT_FINAL  # noqa: PLR2004  server errors
        if undecided or not getattr(response, "is_final", True):
            return response  # type: ignore[no-any-return]
        return _keep(self, request, response)

    handler.idempotent = True  # type: ignore[attr-defined]
    return handler  # type: ignore[return-value]


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


def operation_id(request: Request, *what: str) -> uuid.UUID:
    """Return the one id that belongs to this user's key (and `what`): `operation_id(request, "order")`.

    Inserting under it makes the work happen once, whoever races (see Note [Who makes it happen once]).
    """
    return derived_id("idempotency", request.user.pk, request.idempotency_key, *what)  # type: ignore[attr-defined]


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


def _kept_answer(request: Request, key: str) -> _Kept | None:
    """Return what is kept under the key: as it was read with the caller's session, where it was."""
    user_id = request.user.pk
    looked_up: KeptAnswer | None = getattr(request, "kept_answer", None)
    if looked_up is None or (looked_up.user_id, looked_up.key) != (user_id, key):
        return _find(user_id, key)
    return _read(looked_up.row)


def _find(user_id: uuid.UUID | None, key: str) -> _Kept | None:
    return _read(_FIND_KEPT_ANSWER.one(user_id=user_id, key=key))


def _read(row: tuple[Any, ...] | None) -> _Kept | None:
    return None if row is None else _Kept(row[0], row[1], json.loads(row[2]), row[3])


def _replay(kept: _Kept, fingerprint: str) -> HttpResponse:
    if kept.fingerprint != fingerprint:
        raise IdempotencyKeyReused
    return HttpResponse(kept.body, status=kept.status, headers=kept.headers | {"Idempotent-Replayed": "true"})


def _keep(view: Any, request: Request, response: HttpResponseBase) -> HttpResponseBase:
    """Store a final answer; return it, or the one that was stored first."""
    final = _rendered(view, request, response)
    try:
        if _insert(request, final):
            return final
        winner = _find(request.user.pk, request.idempotency_key)  # type: ignore[attr-defined]
    except DatabaseError:
        # The work is done and committed; a retry finds it by its own id and answers the same.
        log.exception("idempotency.answer_not_kept")
        return final
    if winner is None:
        return final
    if winner.fingerprint != request.idempotency_fingerprint:  # type: ignore[attr-defined]
        # Two requests at once under one key: this one's work is done too, and its answer must say so.
        log.warning("idempotency.key_reused_at_once", path=request.path)
        return final
    return _replay(winner, request.idempotency_fingerprint)  # type: ignore[attr-defined]


def _rendered(view: Any, request: Request, response: HttpResponseBase) -> HttpResponse:
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


def _insert(request: Request, response: HttpResponse) -> bool:
    """Write the row in one statement of its own; False where one stands already."""
    headers = {name: response[name] for name in KEPT_HEADERS if response.has_header(name)}
    with transactions.single("shop"):
        row = _KEEP_ANSWER.one(
            user_id=request.user.pk,
            key=request.idempotency_key,  # type: ignore[attr-defined]
            method=request.method,
            path=request.path[:500],
            fingerprint=request.idempotency_fingerprint,  # type: ignore[attr-defined]
            response_status=response.status_code,
            response_headers=json.dumps(headers),
            response_body=response.content.decode(),
        )
    return row is not None
