"""Who calls: the app tokens of django-allauth's headless API, opaque and revocable by signing out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import structlog
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.request import Request

from shop.accounts.sessions import KeptAnswer, signed_in
from shop.rest.keys import key_to_look_up

MAX_TOKEN_LENGTH = 200


@dataclass(frozen=True)
class SignedIn:
    """What a token stands for, beside its user: the session, and what is kept under the request's key if that was read."""

    session: Any
    kept_answer: KeptAnswer | None


class SessionTokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer <token>` or `X-Session-Token: <token>`, as POST /_allauth/app/v1/auth/login gives it."""

    def authenticate(self, request: Request) -> tuple[Any, SignedIn] | None:
        """Return the user and what signed them in, None without a token. Raises: AuthenticationFailed for one that is not valid."""
        token = self._token(request)
        if token is None:
            return None
        found = signed_in(token, key=key_to_look_up(request)) if _looks_like_token(token) else None
        if found is None or not found[0].is_active:
            raise exceptions.AuthenticationFailed("This token is not valid, or no longer valid; sign in again.")
        user, session, kept_answer = found
        structlog.contextvars.bind_contextvars(user_id=str(user.pk))
        return user, SignedIn(session, kept_answer)

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401."""
        return 'Bearer realm="api"'

    def _token(self, request: Request) -> str | None:
        scheme, _, token = get_authorization_header(request).partition(b" ")
        if scheme.lower() == b"bearer":
            return token.strip().decode("latin-1")
        return request.headers.get("X-Session-Token")


def _looks_like_token(token: str) -> bool:
    return 0 < len(token) <= MAX_TOKEN_LENGTH and token.isascii() and token.isprintable()


class SessionTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Tells OpenAPI of both headers."""

    target_class = SessionTokenAuthentication
    name = ["bearerToken", "sessionToken"]

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[str]]]:
        """Ask for one of the two headers, not for both."""
        return [{name: []} for name in self.name]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, Any]]:
        """Describe the two ways to send the token."""
        return [
            {
                "type": "http",
                "scheme": "bearer",
                "description": "The `token` of `make_guest`, or `meta.session_token` of `sign_in`.",
            },
            {
                "type": "apiKey",
                "in": "header",
                "name": "X-Session-Token",
                "description": "The same `meta.session_token`, for the operations of sign-in. A guest has none.",
            },
        ]
