"""POST /api/v1/orders as the article has it: one DRF view with serializers."""

from django.db.models import Prefetch, prefetch_related_objects
from rest_framework import serializers, status
from rest_framework.response import Response
from rest_framework.views import APIView

from tests.load.article import services
from tests.load.article.models import Order, OrderLine
from tests.load.article.payment import CardDeclined


class LineIn(serializers.Serializer):
    sku = serializers.CharField(max_length=64)
    quantity = serializers.IntegerField(min_value=1, max_value=1000)


class AddressIn(serializers.Serializer):
    name = serializers.CharField(max_length=200)
    line1 = serializers.CharField(max_length=200)
    city = serializers.CharField(max_length=100)
    postal_code = serializers.CharField(max_length=20)
    country = serializers.CharField(max_length=2)


class OrderIn(serializers.Serializer):
    lines = LineIn(many=True, allow_empty=False)
    shipping_address = AddressIn()
    payment_method = serializers.CharField(max_length=255)


class LineOut(serializers.ModelSerializer):
    sku = serializers.CharField(source="product.sku")

    class Meta:
        model = OrderLine
        fields = ["sku", "quantity", "unit_price_minor"]


class OrderOut(serializers.ModelSerializer):
    lines = LineOut(many=True)

    class Meta:
        model = Order
        fields = ["id", "status", "total_minor", "currency", "placed_at", "lines"]


class OrdersView(APIView):
    """The orders of whoever calls."""

    def post(self, request):
        body = OrderIn(data=request.data)
        body.is_valid(raise_exception=True)
        wanted = body.validated_data
        try:
            order = services.place_order(
                customer=request.user,
                lines=[(line["sku"], line["quantity"]) for line in wanted["lines"]],
                shipping_address=wanted["shipping_address"],
                payment_method=wanted["payment_method"],
            )
        except services.InsufficientStock as refusal:
            return Response({"detail": f"not enough of {refusal}"}, status=status.HTTP_409_CONFLICT)
        except CardDeclined as refusal:
            return Response({"detail": str(refusal)}, status=status.HTTP_402_PAYMENT_REQUIRED)
        prefetch_related_objects([order], Prefetch("lines", OrderLine.objects.select_related("product")))
        return Response(OrderOut(order).data, status=status.HTTP_201_CREATED)
