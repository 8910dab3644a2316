"""What every request is held to before anything reads it: one value in each header that decides, a body as it is, of known length.

It stands before the API, the sign-in, the webhook and the admin alike. See docs/faults.md.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.handlers.wsgi import LimitedStream
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from gunicorn.http.errors import ParseException

from shop.errors import Refusal
from shop.rest.cors import answer_preflight
from shop.rest.problem import database_problem, edge_problem, problem_of

# Note [Headers that may appear only once]
# A server joins a header that appears twice with a comma, and so do proxies: two equal keys become one other key.
# These say who calls or what a repetition repeats, and no value of theirs holds a comma. Equal values count as one;
# different ones are refused. Of the others: If-Match and If-None-Match are lists, for which joining is right.
# The signature of a webhook is judged where it is read. Host and Content-Type may appear only once by HTTP itself, and the server
# refuses a second. X-Forwarded-For is a list that is read from its trusted end. A joined Cookie, Origin or X-CSRFToken
# matches nothing, so that nobody is signed in by it.
SINGLE_HEADERS = {
    "HTTP_IDEMPOTENCY_KEY": "Idempotency-Key",
    "HTTP_AUTHORIZATION": "Authorization",
    "HTTP_X_SESSION_TOKEN": "X-Session-Token",
    "HTTP_X_ORDER_TOKEN": "X-Order-Token",
    "HTTP_X_EMAIL_VERIFICATION_KEY": "X-Email-Verification-Key",
    "HTTP_X_PASSWORD_RESET_KEY": "X-Password-Reset-Key",
}

# Of these, the ones that say who calls.
TOKEN_HEADERS = ("HTTP_AUTHORIZATION", "HTTP_X_SESSION_TOKEN", "HTTP_X_ORDER_TOKEN")


class HeaderRepeated(Refusal):
    """A header that says who calls, or what is repeated, has one value: sent twice with different ones, it is refused."""

    code = "header_repeated"
    title = "A header that may appear only once has more than one value"
    http_status = 400


class LengthRequired(Refusal):
    """This server cannot tell where a body without Content-Length ends."""

    code = "length_required"
    title = "Send a Content-Length"
    http_status = 411


class BodyUnreadable(Refusal):
    """The body broke off, or is coded in a way that is not taken: send it as `chunked`, or with a Content-Length."""

    code = "body_unreadable"
    title = "The body cannot be read"
    http_status = 400


class PlainHttpMiddleware:
    """Stands before Django's redirect to HTTPS, which clients follow with a GET."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer, or refuse."""
        return refuse_plain_http(request) or self._get_response(request)


class ArrivalMiddleware:
    """Refuses a request that cannot be understood in one way only, and reads the body that came without a length."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer, or refuse."""
        return refuse_on_arrival(request) or self._get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Answer 503 where the database was away, also to pages and to sign-ins; leave any other error to Django."""
        unavailable = database_problem(error)
        return unavailable.plain_response() if unavailable else None


def refuse_plain_http(request: HttpRequest) -> HttpResponse | None:
    """Return the refusal of a request over plain HTTP that does something, or that holds a token; None for any other.

    A redirect would have the client repeat it as a GET, and hide that the token has crossed the network in the open.
    """
    if not settings.SECURE_SSL_REDIRECT or request.is_secure():
        return None
    reads = request.method in ("GET", "HEAD")
    if reads and not any(name in request.META for name in TOKEN_HEADERS):
        return None
    path = request.path.lstrip("/")
    if any(re.search(exempt, path) for exempt in settings.SECURE_REDIRECT_EXEMPT):
        return None
    return edge_problem("https_required").plain_response()


def refuse_on_arrival(request: HttpRequest) -> HttpResponse | None:
    """Settle what the request may be read as; or return its refusal, or the answer to a browser's preflight.

    Both chains of middleware call it.
    """
    if (preflight := answer_preflight(request)) is not None:
        return preflight
    try:
        settle_headers(request.META)
        settle_body(request)
    except Refusal as refusal:
        return problem_of(refusal).plain_response()
    return refuse_packed(request.META)


def settle_headers(meta: dict[str, Any]) -> None:
    """Leave one value in each of SINGLE_HEADERS. Raises: HeaderRepeated. See Note [Headers that may appear only once]."""
    for name, header in SINGLE_HEADERS.items():
        value = meta.get(name)
        if value is not None and "," in value:
            values = {each.strip() for each in value.split(",")}
            if len(values) > 1:
                raise HeaderRepeated(f"{header} has more than one value; send it once, without a comma")
            meta[name] = values.pop()
    scheme, _, token = meta.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip() != meta.get("HTTP_X_SESSION_TOKEN", token).strip():
        raise HeaderRepeated("Authorization and X-Session-Token hold different tokens; send one of them")


def settle_body(request: HttpRequest) -> None:
    """Read a body whose length no header tells, within the limit that holds for all bodies.

    Django takes a body without Content-Length for empty. Raises: LengthRequired, BodyUnreadable, RequestDataTooBig.
    """
    meta = request.META
    if meta.get("CONTENT_LENGTH") or ("HTTP_TRANSFER_ENCODING" not in meta and "wsgi.input" in meta):
        return
    if meta.get("HTTP_TRANSFER_ENCODING", "chunked").strip().lower() != "chunked":
        raise BodyUnreadable("this Transfer-Encoding is not taken; send the body as chunked")
    if "wsgi.input" in meta and not meta.get("wsgi.input_terminated"):
        raise LengthRequired
    stream = meta.get("wsgi.input") or request._stream  # noqa: SLF001  ASGI's
    limit: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    try:
        body = stream.read(limit + 1)
    except (OSError, ParseException) as error:
        raise BodyUnreadable("the body broke off, or its chunks are malformed") from error
    if len(body) > limit:
        raise RequestDataTooBig("a streamed body is larger than DATA_UPLOAD_MAX_MEMORY_SIZE")
    meta["CONTENT_LENGTH"] = str(len(body))
    request._stream = LimitedStream(io.BytesIO(body), len(body))  # type: ignore[assignment]  # noqa: SLF001


def read_whole(request: HttpRequest) -> HttpResponse | None:
    """Read a body that will be kept in memory; or return its refusal, where it broke off. A larger one is left to its reader.

    Nothing is taken for a request that has not come whole: no place at work, and no session of the database.
    """
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal() or not 0 < int(length) <= settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        return None
    try:
        request.body  # noqa: B018  it is kept where it is read
    except UnreadablePostError:
        return problem_of(BodyUnreadable("the body broke off")).plain_response()
    return None


def refuse_packed(meta: dict[str, Any]) -> HttpResponse | None:
    """Return the refusal of a compressed body: no parser here decompresses one. None for any other, and where there is none.

    The 415 names what is taken in its Accept-Encoding (RFC 9110, section 12.5.3).
    """
    codings = {each.strip().lower() for each in meta.get("HTTP_CONTENT_ENCODING", "").split(",")}
    if codings <= {"", "identity"} or str(meta.get("CONTENT_LENGTH") or "0") == "0":
        return None
    told = "This server does not accept a Content-Encoding: send the body as it is."
    return edge_problem("unsupported_media_type", told, headers={"Accept-Encoding": "identity"}).plain_response()
