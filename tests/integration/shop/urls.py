"""A small API on the edge's parts, beside the shop's own addresses."""

import threading
from collections.abc import Callable
from typing import Any

from django.urls import path
from rest_framework import generics, serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from config.urls import handler400, handler403, handler404, handler500
from config.urls import urlpatterns as shop_patterns
from shop.errors import Refusal
from shop.models import User
from shop.rest.fields import MoneyField, StrictSerializer
from shop.rest.idempotency import idempotent
from shop.rest.preconditions import conditional_response, require_match

__all__ = ["handler400", "handler403", "handler404", "handler500"]


class Declined(Refusal):
    """The card was declined."""

    code = "test_declined"
    title = "Declined"
    http_status = 402


class Order(StrictSerializer):
    sku = serializers.CharField()
    total = MoneyField(required=False)


class Work:
    """What the view does, for a test to look into and to steer."""

    calls: list[str] = []
    outcome: Any = None
    before_answer: Callable[[], object] = staticmethod(lambda: None)


class OrdersView(APIView):
    """Places an order."""

    serializer_class = Order

    @idempotent
    def post(self, request, call):
        order = Order(data=request.data)
        order.is_valid(raise_exception=True)
        Work.calls.append(call.key)
        Work.before_answer()
        if isinstance(Work.outcome, Exception):
            raise Work.outcome
        number = len(Work.calls)
        # Two calls that race are told apart by their threads.
        worker = threading.get_ident()
        body = {"id": str(call.operation_id("order")), "number": number, "worker": worker}
        return Response(body, status=Work.outcome or 201, headers={"Location": f"/orders/{number}", "ETag": '"1"'})


class VersionedView(APIView):
    """A thing at version 3."""

    def get(self, request):
        return conditional_response(request, {"ok": True}, version=3)

    def patch(self, request):
        require_match(request, 3)
        return Response({"ok": True})


class BrokenView(APIView):
    """A bug."""

    authentication_classes = []
    permission_classes = []

    def get(self, request):
        raise KeyError("a secret place in the code")


class OpenView(APIView):
    """For everybody."""

    permission_classes = []

    def get(self, request):
        return Response({})


class UserSerializer(serializers.ModelSerializer):
    class Meta:
        model = User
        fields = ["id", "email"]


class UsersView(generics.ListAPIView):
    """A list with pages."""

    queryset = User.objects.all()
    serializer_class = UserSerializer


urlpatterns = [
    path("api/test/orders", OrdersView.as_view()),
    path("api/test/versioned", VersionedView.as_view()),
    path("api/test/broken", BrokenView.as_view()),
    path("api/test/open", OpenView.as_view()),
    path("api/test/users", UsersView.as_view()),
    *shop_patterns,
]
