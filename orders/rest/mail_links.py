"""Who calls with the link of a mail: `X-Order-Token`, which opens one order and stands for nobody's account."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, ClassVar

import structlog
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from orders.services import open_by
from shop.rest.authentication import MAX_TOKEN_LENGTH

HEADER = "X-Order-Token"


@dataclass(frozen=True)
class LinkHolder:
    """Whoever has the link of an order's mail. `pk` is whose order it is: they act for the customer, on this order alone."""

    pk: uuid.UUID
    order_id: uuid.UUID
    is_authenticated: ClassVar[bool] = True
    is_active: ClassVar[bool] = True
    is_staff: ClassVar[bool] = False
    is_superuser: ClassVar[bool] = False

    def has_perm(self, _permission: str, _obj: object = None) -> bool:
        """Return that they may do nothing that staff may."""
        return False


class OrderTokenAuthentication(BaseAuthentication):
    """`X-Order-Token: <token>`, as the link in a mail about a guest's order has it behind `#access=`.

    Only views of one order name this class, each beside the usual one. Where both tokens are sent, this one decides.
    """

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        """Return who holds the link, None without a token. Raises: AuthenticationFailed for one that opens nothing."""
        token = request.headers.get(HEADER)
        if token is None:
            return None
        opened = open_by(token=token) if len(token) <= MAX_TOKEN_LENGTH and token.isascii() else None
        if opened is None:
            raise exceptions.AuthenticationFailed("This link is not valid, or no longer valid; ask for a new one.")
        structlog.contextvars.bind_contextvars(user_id=str(opened.customer_id))
        return LinkHolder(opened.customer_id, opened.order_id), None

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401, which is that of the usual token."""
        return 'Bearer realm="api"'


class OrderTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Tells OpenAPI of the header."""

    target_class = OrderTokenAuthentication
    name = "orderToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """Describe how the token is sent."""
        return {
            "type": "apiKey",
            "in": "header",
            "name": HEADER,
            "description": "The token of the link in a mail about a guest's order: for that order alone.",
        }
