"""Asking for the link of an order by its number and address. The answer is always the same, and comes before anybody has looked."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from notifications.services.order_links import ask_for_link
from shop.rest.documented import documented
from shop.rest.fields import MailAddressField, StrictSerializer, TextField
from shop.rest.idempotency import CardNumberSent, refuse_card_numbers
from shop.rest.query import StrictQueryView
from shop.rest.throttling import AnonymousThrottle, LookupThrottle

ANSWER = {"detail": "If there is such an order, its link is on its way to the email address of the order."}


class OrderLookupSerializer(StrictSerializer):
    """Which order somebody means."""

    number = TextField(max_length=20, help_text="as the mails name it")
    email = MailAddressField(max_length=254, help_text="where the mails of the order go")


class OrderLookupOut(serializers.Serializer[Any]):
    """The same for every request."""

    detail = serializers.CharField()


class OrderLookupsView(StrictQueryView):
    """Links of orders, for who has lost theirs."""

    authentication_classes = []
    permission_classes = [AllowAny]
    throttle_classes = [AnonymousThrottle, LookupThrottle]

    @extend_schema(
        operation_id="look_up_order",
        summary="Mail the link of an order to its customer",
        tags=["guests"],
        request=OrderLookupSerializer,
        responses={202: OrderLookupOut},
        auth=[],
    )
    @documented(problems={422: [CardNumberSent]}, headers={202: ("Cache-Control",)})
    def post(self, request: Request) -> Response:
        """Have the link of an order mailed to the order's own address, if number and address belong together.

        The answer does not tell whether they do. The link of one order is mailed once in some minutes.
        """
        refuse_card_numbers(request, "")
        ask_for_link(**OrderLookupSerializer.read(request.data))
        return Response(ANSWER, status=status.HTTP_202_ACCEPTED, headers={"Cache-Control": "no-store"})
