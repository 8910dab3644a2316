"""Guests of the API: an email address alone gets a token, which is sent as any other is."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from shop.accounts.guests import admit_guest
from shop.rest.documented import documented
from shop.rest.fields import MailAddressField, StrictSerializer
from shop.rest.idempotency import CardNumberSent, refuse_card_numbers
from shop.rest.query import StrictQueryView
from shop.rest.throttling import AnonymousThrottle, GuestThrottle


class GuestSerializer(StrictSerializer):
    """Who orders without an account."""

    email = MailAddressField(max_length=254, help_text="where the mails of the guest's orders go")


class GuestOut(serializers.Serializer[Any]):
    """A guest."""

    token = serializers.CharField(help_text="sent as the token of a sign-in is, to `/api/v1` only")
    email = serializers.EmailField()
    expires_at = serializers.DateTimeField(help_text="the token is valid until then")


class GuestsView(StrictQueryView):
    """Makes guests. Whether an account or another guest has the same mailbox makes no difference to the answer."""

    authentication_classes = []
    permission_classes = [AllowAny]
    throttle_classes = [AnonymousThrottle, GuestThrottle]

    @extend_schema(
        operation_id="make_guest",
        summary="Order without an account",
        tags=["guests"],
        request=GuestSerializer,
        responses={201: GuestOut},
        auth=[],
    )
    @documented(problems={422: [CardNumberSent]}, headers={201: ("Cache-Control",)})
    def post(self, request: Request) -> Response:
        """Make a guest, whose token places orders and sees them, and does nothing about an account."""
        refuse_card_numbers(request, "")
        guest = admit_guest(**GuestSerializer.read(request.data))
        body = {"token": guest.token, "email": guest.user.guest_email, "expires_at": guest.expires_at}
        return Response(GuestOut(body).data, status=status.HTTP_201_CREATED, headers={"Cache-Control": "no-store"})
