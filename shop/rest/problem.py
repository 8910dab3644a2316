"""Every error of the API as application/problem+json (RFC 9457) with a stable `code`; never a stack trace.

`type` is /problems/<code>, a page of this server that explains it; `instance` names the request, and `trace_id` the trace
to which its log lines and everything that it caused belong.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, TypeVar

import structlog
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.views import csrf, defaults
from rest_framework import exceptions
from rest_framework.response import Response

from shop import request_ids
from shop.cards import without_card_numbers
from shop.errors import Busy, Fault, Refusal, ShopError
from shop.ids import read_id
from shop.money import Money
from shop.observability.tracing import current_trace_id
from shop.resilience.admission import Overloaded
from shop.resilience.contention import is_contention

CONTENT_TYPE = "application/problem+json"
# For limits that are not a rate: they end when the caller acts, such as by paying an order.
RETRY_AFTER_LIMIT_SECONDS = 60
SIGN_IN_FIRST = (
    "Send a token as `Authorization: Bearer <token>`. POST /api/v1/guests gives one for an email address, "
    "POST /_allauth/app/v1/auth/login one for an account."
)
R = TypeVar("R", bound=HttpResponse)

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Problem:
    """What went wrong, as the caller is told."""

    code: str
    title: str
    status: int
    detail: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    errors: tuple[Mapping[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """Return the members of RFC 9457, and `code`, `facts` and `errors` of our own; no card number is repeated."""
        members: dict[str, Any] = {
            "type": f"/problems/{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": without_card_numbers(self.detail or self.title),
            "instance": current_instance(),
            "code": self.code,
        }
        if trace_id := current_trace_id():
            members["trace_id"] = trace_id
        if facts := {name: plain(value) for name, value in self.facts.items() if value is not None}:
            members["facts"] = facts
        if self.errors:
            members["errors"] = [
                {name: without_card_numbers(text) for name, text in error.items()} for error in self.errors
            ]
        return members

    def response(self) -> Response:
        """Return it as the answer of a DRF view."""
        answer = Response(self.body(), status=self.status, headers=dict(self.headers), content_type=CONTENT_TYPE)
        return self._named(answer)

    def plain_response(self) -> HttpResponse:
        """Return it as the answer of anything else."""
        answer = HttpResponse(
            json.dumps(self.body()), status=self.status, headers=dict(self.headers), content_type=CONTENT_TYPE
        )
        return self._named(answer)

    def _named(self, answer: R) -> R:
        """Have the line of the request name the problem."""
        answer.problem = self.code  # type: ignore[attr-defined]
        return answer


# The problems that are not an error class of a context: code, title and status, for handlers, documents and tests.
EDGE_PROBLEMS: dict[str, tuple[str, int]] = {
    "invalid_request": ("The request is not valid", 400),
    "malformed_request": ("The request cannot be read", 400),
    "not_authenticated": ("Sign in first", 401),
    "authentication_failed": ("The token is not valid, or no longer valid", 401),
    "permission_denied": ("You may not do this", 403),
    "https_required": ("Send this over HTTPS, and revoke a token that was sent in the open", 403),
    "not_found": ("Not found", 404),
    "method_not_allowed": ("This address does not take this method", 405),
    "not_acceptable": ("This address offers none of the types that Accept names", 406),
    "sign_in_not_under_way": ("No sign-in of this kind is under way", 409),
    "session_gone": ("The session has ended; sign in again", 410),
    "payload_too_large": ("The request is too large", 413),
    "unsupported_media_type": ("Send JSON: Content-Type: application/json", 415),
    "throttled": ("Too many requests; slow down", 429),
    "internal_error": ("Something broke on our side; it is logged", 500),
    "database_unavailable": ("The database is unavailable; try again", 503),
    "not_ready": ("This process is not ready to serve", 503),
}


def edge_problem(code: str, detail: str = "", **more: Any) -> Problem:
    """Return one of EDGE_PROBLEMS."""
    title, http_status = EDGE_PROBLEMS[code]
    return Problem(code=code, title=title, status=http_status, detail=detail, **more)


def problem_of(error: ShopError, **facts: Any) -> Problem:
    """Return a Refusal or Fault as a problem; `facts` add to its own (the order that records it, say)."""
    headers = {}
    if isinstance(error, Fault):
        headers["Retry-After"] = str(error.retry_after_seconds)
    elif getattr(error, "http_status", 0) == 429:  # noqa: PLR2004  Too Many Requests
        headers["Retry-After"] = str(error.facts.get("retry_after_seconds", RETRY_AFTER_LIMIT_SECONDS))
    return Problem(
        code=error.code,
        title=error.title,
        status=getattr(error, "http_status", 500),
        detail=error.detail,
        facts={**error.facts, **facts},
        errors=tuple(getattr(error, "errors", ())),
        headers=headers,
    )


def handle_exception(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """Turn what a view raised into a problem (REST_FRAMEWORK["EXCEPTION_HANDLER"]).

    A bug is let through: Django logs it with the request's id and `server_error` answers.
    """
    problem = _problem_for(error, context)
    return problem.response() if problem else None


def _problem_for(error: Exception, context: Mapping[str, Any]) -> Problem | None:
    if isinstance(error, (Refusal, Fault)):
        if isinstance(error, Fault) and not isinstance(error, Overloaded):  # which is counted, and by design
            log.warning("request.fault", code=error.code, detail=error.detail)
        return problem_of(error)
    if (unavailable := database_problem(error)) is not None:
        return unavailable
    if isinstance(error, exceptions.APIException):
        problem = _problem_for_api_exception(error)
        return dataclasses.replace(problem, detail=_in_words(error, context) or problem.detail)
    return next((edge_problem(code) for kind, code in _DJANGO_CODES if isinstance(error, kind)), None)


def database_problem(error: Exception) -> Problem | None:
    """Return what a caller is told where the database was not available; None where the error is another one."""
    if is_contention(error):
        # A lock, or a pool without a free connection: nothing is broken, and nothing was done.
        log.warning("request.busy", error=repr(error))
        return problem_of(Busy())
    if isinstance(error, (OperationalError, InterfaceError)):
        # Also a lock or statement that took too long: the caller repeats it with the same Idempotency-Key.
        log.error("request.database_unavailable", exc_info=error)
        return edge_problem("database_unavailable", headers={"Retry-After": "5"})
    return None


_DJANGO_CODES: tuple[tuple[type[Exception], str], ...] = (
    (Http404, "not_found"),
    (PermissionDenied, "permission_denied"),
    (RequestDataTooBig, "payload_too_large"),
    (UnreadablePostError, "malformed_request"),
)
_CODES: tuple[tuple[type[exceptions.APIException], str], ...] = (
    (exceptions.ValidationError, "invalid_request"),
    (exceptions.ParseError, "malformed_request"),
    (exceptions.NotAuthenticated, "not_authenticated"),
    (exceptions.AuthenticationFailed, "authentication_failed"),
    (exceptions.PermissionDenied, "permission_denied"),
    (exceptions.NotFound, "not_found"),
    (exceptions.MethodNotAllowed, "method_not_allowed"),
    (exceptions.NotAcceptable, "not_acceptable"),
    (exceptions.UnsupportedMediaType, "unsupported_media_type"),
    (exceptions.Throttled, "throttled"),
)


def _problem_for_api_exception(error: exceptions.APIException) -> Problem:
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        # RFC 6750, section 3.1: a token that was sent and is not valid is named as the error; one that is missing is not.
        wrong = ', error="invalid_token"' if isinstance(error, exceptions.AuthenticationFailed) else ""
        headers["WWW-Authenticate"] = f"{challenge}{wrong}"
    if (wait := getattr(error, "wait", None)) is not None:
        headers["Retry-After"] = str(max(1, int(wait)))
    code = next((code for kind, code in _CODES if isinstance(error, kind)), str(error.default_code))
    title, _status = EDGE_PROBLEMS.get(code, (str(error.default_detail), error.status_code))
    errors: tuple[Mapping[str, str], ...] = ()
    detail = str(error.detail) if not isinstance(error.detail, (list, dict)) else ""
    if isinstance(error, exceptions.ValidationError):
        errors = tuple(pointed(error.detail))
    return Problem(code, title, error.status_code, detail, errors=errors, headers=headers)


def _in_words(error: exceptions.APIException, context: Mapping[str, Any]) -> str:
    """Return what to do about an error of which REST framework says only what it is."""
    if isinstance(error, exceptions.NotAuthenticated):
        return SIGN_IN_FIRST
    if isinstance(error, exceptions.MethodNotAllowed):
        return methods_in_words(str(error.args[0]) if error.args else "", context["view"].allowed_methods)
    return ""


def methods_in_words(method: str, allowed: Iterable[str]) -> str:
    """Say which methods an address takes."""
    named = sorted(set(allowed))
    words = " and ".join(filter(None, (", ".join(named[:-1]), *named[-1:])))
    return f"This address takes {words}{f', not {method}' if method else ''}."


def pointed(detail: Any, pointer: str = "#") -> Iterator[dict[str, str]]:
    """Flatten DRF's nested validation errors into `{pointer, detail}`, the pointer by RFC 6901 as a URI fragment."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            is_whole = name == "non_field_errors"
            step = str(name).replace("~", "~0").replace("/", "~1")
            yield from pointed(inner, pointer if is_whole else f"{pointer}/{step}")
    elif isinstance(detail, (list, tuple)):
        for index, inner in enumerate(detail):
            nested = isinstance(inner, (Mapping, list, tuple))
            yield from pointed(inner, f"{pointer}/{index}" if nested else pointer)
    else:
        yield {"pointer": pointer, "detail": str(detail)}


def plain(value: Any) -> Any:
    """Return a fact as JSON knows it."""
    if isinstance(value, Money):
        return money_json(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(inner) for inner in value]
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    return value if isinstance(value, (str, int, float, type(None))) else str(value)


def money_json(amount: Money) -> dict[str, Any]:
    """Return an amount as the API writes it; `formatted` has the currency's own number of decimals."""
    return {
        "amount_minor": amount.minor,
        "currency": amount.currency,
        "exponent": amount.decimals,
        "formatted": str(amount).removesuffix(f" {amount.currency}"),
    }


def current_instance() -> str:
    """Return the URN of the current request: its id is written as a UUID, or is one's seed where it cannot be."""
    request_id = request_ids.current()
    if not request_id:
        return f"urn:uuid:{uuid.uuid4()}"
    return f"urn:uuid:{read_id(request_id) or uuid.uuid5(uuid.NAMESPACE_OID, request_id)}"


def speaks_problem(request: HttpRequest) -> bool:
    """Return whether the address is one for programs, which are answered with problems."""
    return request.path.startswith(("/api/", "/webhooks/", "/_allauth/", "/health", "/ready", "/metrics"))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what Django itself found unreadable (`handler400`)."""
    if isinstance(exception, RequestDataTooBig):
        return edge_problem("payload_too_large").plain_response()
    if speaks_problem(request):
        return edge_problem("malformed_request").plain_response()
    return defaults.bad_request(request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what may not be done (`handler403`)."""
    if speaks_problem(request):
        return edge_problem("permission_denied").plain_response()
    return defaults.permission_denied(request, exception)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form without its token (`CSRF_FAILURE_VIEW`); programs get a problem, never the page."""
    if speaks_problem(request):
        return edge_problem("permission_denied", reason).plain_response()
    return csrf.csrf_failure(request, reason)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer an address that nothing has (`handler404`)."""
    if speaks_problem(request):
        return edge_problem("not_found").plain_response()
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer after a bug (`handler500`); the log has it under the same `instance`. 503 where the database was away."""
    error = sys.exc_info()[1]
    if isinstance(error, Exception) and (unavailable := database_problem(error)) is not None:
        return unavailable.plain_response()
    if speaks_problem(request):
        return edge_problem("internal_error").plain_response()
    return defaults.server_error(request)


def known_problems() -> dict[str, tuple[str, int, str]]:
    """Return code -> (title, status, explanation) of everything the API may answer."""
    known = {code: (title, http_status, "") for code, (title, http_status) in EDGE_PROBLEMS.items()}
    pending: list[type[ShopError]] = [Refusal, Fault]
    while pending:
        kind = pending.pop()
        pending += kind.__subclasses__()
        known[kind.code] = (kind.title, getattr(kind, "http_status", 500), " ".join((kind.__doc__ or "").split()))
    return dict(sorted(known.items()))
