"""POST /quotes: what an order would cost, for everybody, signed in or not."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from orders import services
from orders.gateways import TaxServiceUnavailable
from orders.pricing.basket import Destination
from orders.pricing.price import WhyNot
from orders.pricing.priced import Priced
from orders.rest.documents import INVENTORY_FAULTS
from orders.rest.prices import AdjustmentOut, represent_adjustments
from orders.rest.serializers import CountryField, OrderedLineSerializer, moment
from orders.rules import CODE_LENGTH, SHIPPING_OPTION_LENGTH
from orders.services.price_order import MAX_CODES, RefusedCode, Shortcoming
from orders.services.quotes import QuotedOrder, quote_order
from shipping import api as shipping
from shop.rest.documented import documented
from shop.rest.fields import BoundedListField, MoneyField, StrictSerializer, TextField, VatNumberField
from shop.rest.problem import money_json
from shop.rest.query import StrictQueryView
from shop.rest.throttling import WrongCodes


class DestinationSerializer(StrictSerializer):
    """Where the parcel would go, as far as the price depends on it."""

    country = CountryField()
    region = TextField(
        max_length=100,
        required=False,
        default="",
        allow_blank=True,
        help_text="ISO 3166-2 code or name, such as NY, where the shop's taxes differ by region",
    )
    postal_code = TextField(max_length=20, required=False, default="", allow_blank=True)


class QuoteSerializer(StrictSerializer):
    """What somebody may want to order, and where it would go."""

    lines = BoundedListField(child=OrderedLineSerializer(), min_length=1, max_length=settings.ORDER_MAX_LINES)
    destination = DestinationSerializer()
    shipping_option = TextField(
        max_length=SHIPPING_OPTION_LENGTH,
        required=False,
        allow_blank=True,
        help_text="the code of one of `shipping_options`; default: the cheapest",
    )
    codes = BoundedListField(
        child=TextField(max_length=CODE_LENGTH),
        max_length=MAX_CODES,
        required=False,
        help_text="discount codes, in any spelling",
    )
    vat_number = VatNumberField(
        max_length=30,
        required=False,
        allow_blank=True,
        help_text="of a business that buys: it may owe the tax itself (reverse charge)",
    )


class QuoteLineOut(serializers.Serializer[Any]):
    """A line at its present price."""

    sku = serializers.CharField()
    name = serializers.CharField()
    quantity = serializers.IntegerField()
    unit_price = MoneyField()
    line_total = MoneyField(help_text="unit price times quantity")
    total = MoneyField(help_text="with its share of every adjustment; these add up to the total of the order")


class ShippingOptionOut(serializers.Serializer[Any]):
    """A way for the parcel to travel."""

    code = serializers.CharField()
    name = serializers.CharField()
    price = MoneyField()
    days_min = serializers.IntegerField(help_text="the earliest that it arrives, in days")
    days_max = serializers.IntegerField(help_text="the latest that it arrives, in days")


class UnavailableOut(serializers.Serializer[Any]):
    """A product that is not available in the wanted quantity at this moment."""

    sku = serializers.CharField()
    wanted = serializers.IntegerField(help_text="in all lines together")
    available = serializers.IntegerField()
    reason = serializers.ChoiceField(
        choices=[(reason.value, reason.value) for reason in Shortcoming],
        help_text="`not_for_sale`: it has no price and no line; `not_enough`: it is priced in the quantity that was asked for",
    )


class RefusedCodeOut(serializers.Serializer[Any]):
    """A discount code that takes nothing off this order."""

    code = serializers.CharField(help_text="in capitals; empty for a text that cannot be a code")
    reason = serializers.ChoiceField(
        choices=[(reason.value, reason.value) for reason in WhyNot],
        help_text="`held`: too many unpaid orders hold it; that refuses only an order without a payment method, never a quote",
    )
    detail = serializers.CharField(help_text="for customers")


class QuoteOut(serializers.Serializer[Any]):
    """What the order would cost. Nothing is reserved, and no row is written."""

    id = serializers.CharField(help_text="send it as `quote` to `POST /orders`; it may be some kilobytes long")
    valid_until = serializers.DateTimeField(help_text="an order by this quote costs its total until then")
    lines = QuoteLineOut(many=True)
    shipping_options = ShippingOptionOut(many=True, help_text="empty where the shop charges no shipping")
    shipping_option = serializers.CharField(allow_null=True, help_text="the one that is in the total")
    adjustments = AdjustmentOut(many=True)
    subtotal = MoneyField(help_text="the sum of `line_total`")
    total = MoneyField(help_text="what the customer would pay")
    unavailable = UnavailableOut(many=True)
    refused_codes = RefusedCodeOut(many=True)


def represent_quote(quoted: QuotedOrder) -> dict[str, Any]:
    """Return a quote as QuoteOut describes it."""
    order, priced = quoted.priced, quoted.priced.priced
    return {
        "id": quoted.id,
        "valid_until": moment(quoted.quote.valid_until),
        "lines": _represent_lines(priced),
        "shipping_options": [
            {
                "code": way.code,
                "name": way.name,
                "price": money_json(way.price),
                "days_min": way.days_min,
                "days_max": way.days_max,
            }
            for way in order.shipping_offers
        ],
        "shipping_option": None if order.way is None else order.way.code,
        "adjustments": represent_adjustments(priced.adjustments),
        "subtotal": money_json(priced.subtotal),
        "total": money_json(priced.total),
        "unavailable": [
            {"sku": each.sku, "wanted": each.wanted, "available": each.available, "reason": str(each.reason)}
            for each in order.unavailable
        ],
        "refused_codes": [
            {"code": each.code, "reason": str(each.reason), "detail": each.detail} for each in order.refused_codes
        ],
    }


def quote_again(new: services.NewOrder) -> dict[str, Any]:
    """Return a new quote for what an order wants, as QuoteOut describes it. Raises: as `quote_order`."""
    return represent_quote(
        quote_order(
            lines=new.lines,
            destination=new.destination,
            shipping_option=new.shipping_option,
            codes=new.codes,
            vat_number=new.vat_number,
            customer_id=new.customer_id,
        )
    )


def _represent_lines(priced: Priced) -> list[dict[str, Any]]:
    return [
        {
            "sku": item.sku,
            "name": item.name,
            "quantity": item.quantity,
            "unit_price": money_json(item.unit_price),
            "line_total": money_json(item.price),
            "total": money_json(total),
        }
        for item, total in zip(priced.items, priced.line_totals, strict=True)
    ]


def count_guesses(request: Request, refused: tuple[RefusedCode, ...]) -> None:
    """Count the codes that do not exist against whoever asked: `refuse_guessing` ends it."""
    WrongCodes().count(request, sum(each.reason == WhyNot.UNKNOWN for each in refused))


def refuse_guessing(request: Request) -> None:
    """Insist that whoever sends codes has not sent too many that do not exist. Raises: Throttled."""
    WrongCodes().refuse_too_many(request)


class QuotesView(StrictQueryView):
    """What an order would cost."""

    permission_classes = [AllowAny]

    @extend_schema(
        operation_id="quote_order",
        tags=["quotes"],
        summary="Get the price of an order",
        request=QuoteSerializer,
        responses={
            200: OpenApiResponse(QuoteOut, description="What it costs now"),
            422: OpenApiResponse(description="This cannot be ordered as it was sent; nothing can be priced"),
        },
    )
    @documented(
        problems={
            422: [
                services.NothingForSale,
                services.MixedCurrencies,
                services.RegionNotKnown,
                services.ShippingOptionNotOffered,
                shipping.NoShippingThere,
            ],
            503: [*INVENTORY_FAULTS, TaxServiceUnavailable, shipping.CarrierUnavailable],
        },
        headers={200: ("Cache-Control",)},
    )
    def post(self, request: Request) -> Response:
        """Price these lines for this place, without an account, an Idempotency-Key or a reservation.

        Codes that do not apply stand in `refused_codes`, and products that are not available in `unavailable`: neither fails
        the rest. Call it as often as the customer changes the basket; too many codes that do not exist are answered 429.
        """
        wanted = QuoteSerializer.read(request.data)
        codes = wanted.get("codes", [])
        if codes:
            refuse_guessing(request)
        quoted = quote_order(
            lines=[(line["sku"], line["quantity"]) for line in wanted["lines"]],
            destination=Destination(**wanted["destination"]),
            shipping_option=wanted.get("shipping_option", ""),
            codes=codes,
            vat_number=wanted.get("vat_number", ""),
            customer_id=request.user.pk if request.user.is_authenticated else None,
        )
        count_guesses(request, quoted.priced.refused_codes)
        return Response(represent_quote(quoted), headers={"Cache-Control": "no-store"})
