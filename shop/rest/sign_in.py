"""Sign-in and the other account calls (django-allauth's addresses) by the rules of the API: what is read, and how a refusal looks.

The members of allauth's own answers stay; the members of RFC 9457 stand beside them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from rest_framework.exceptions import ParseError

from shop.accounts.attempts import wait_seconds
from shop.errors import Fault
from shop.rest.parsing import read_json
from shop.rest.problem import CONTENT_TYPE, edge_problem, problem_of

PATHS = "/_allauth/"
# allauth says as invalid input that the failed attempts were too many.
TOO_MANY_ATTEMPTS = "too_many_login_attempts"
# Its answer does not say which other limit was met; most of these count over a minute.
WAIT_SECONDS = 60
TEXTS = {"email", "password", "key", "code", "current_password", "new_password"}
_CODES = {
    400: "invalid_request",
    401: "not_authenticated",
    403: "permission_denied",
    404: "not_found",
    405: "method_not_allowed",
    409: "sign_in_not_under_way",
    410: "session_gone",
    429: "throttled",
}


class SignInMiddleware:
    """Reads the JSON of a sign-in as the API reads its own, and makes problems of refusals."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer, or refuse what cannot be read."""
        if not request.path_info.startswith(PATHS):
            return self._get_response(request)
        try:
            if request.body:
                wrong = not_texts(read_json(request.body))
                if wrong:
                    return edge_problem("invalid_request", errors=wrong).plain_response()
        except ParseError as error:
            return edge_problem("malformed_request", str(error.detail)).plain_response()
        response = self._get_response(request)
        return as_problem(request, response) if response.status_code in _CODES else response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Answer 503 where a dependency failed, such as the mail server; leave any other error to Django."""
        if isinstance(error, Fault) and request.path_info.startswith(PATHS):
            return problem_of(error).plain_response()
        return None


def not_texts(body: Any) -> tuple[dict[str, str], ...]:
    """Name the members that must be texts and hold something else: allauth would take the text of a list for a password."""
    if not isinstance(body, dict):
        return ({"pointer": "#", "detail": "The body must be an object."},)
    wrong = sorted(name for name in TEXTS & body.keys() if not isinstance(body[name], str))
    return tuple({"pointer": f"#/{name}", "detail": "This must be a text."} for name in wrong)


def as_problem(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Return a refusal of allauth's as a problem that still holds what allauth says."""
    if response.get("Content-Type", "").startswith(CONTENT_TYPE):
        return response
    told = _members(response)
    errors = [error for error in told.get("errors") or () if isinstance(error, dict)]
    wait = WAIT_SECONDS
    if any(error.get("code") == TOO_MANY_ATTEMPTS for error in errors):
        response.status_code, wait = 429, wait_seconds(request)
    problem = edge_problem(_CODES[response.status_code], "; ".join(str(error.get("message", "")) for error in errors))
    for error in errors:
        error.setdefault("pointer", f"#/{error['param']}" if error.get("param") else "#")
        error.setdefault("detail", error.get("message", ""))
    response.content = json.dumps(told | problem.body() | ({"errors": errors} if errors else {}))
    response["Content-Type"] = CONTENT_TYPE
    if response.status_code == 401:  # noqa: PLR2004  Unauthorized: RFC 9110 asks for a challenge
        response["WWW-Authenticate"] = 'Bearer realm="api"'
    if response.status_code == 429 and "Retry-After" not in response:  # noqa: PLR2004  Too Many Requests
        response["Retry-After"] = str(wait)
    return response


def _members(response: HttpResponse) -> dict[str, Any]:
    try:
        told = json.loads(response.content)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
