"""The same check of allauth's session token that the shop makes."""

from allauth.headless.internal.sessionkit import authenticate_by_x_session_token
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication


class SessionTokenAuthentication(BaseAuthentication):
    """`X-Session-Token: <token>`."""

    def authenticate(self, request):
        token = request.headers.get("X-Session-Token")
        if not token:
            return None
        found = authenticate_by_x_session_token(token)
        if found is None or not found[0].is_active:
            raise exceptions.AuthenticationFailed
        return found

    def authenticate_header(self, request):
        return "Bearer"
