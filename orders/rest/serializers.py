"""What the API of orders takes and gives: each body is described, read and written here.

Unknown fields are refused; amounts are minor units with their currency.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from rest_framework import serializers

from orders.models import DECIDED, OrderStatus
from orders.queries import Address, OrderState
from orders.rest.prices import AdjustmentOut, represent_adjustments
from orders.rules import CODE_LENGTH, SHIPPING_OPTION_LENGTH, CancelReason
from orders.services import NewOrder, extensions_left, read_quote
from orders.services.price_order import MAX_CODES
from payments import api as payments
from shop.accounts.users import User
from shop.countries import COUNTRIES
from shop.locales import DEFAULT
from shop.money import Money
from shop.postal import missing_in
from shop.rest.fields import (
    BoundedListField,
    LinesField,
    LocaleField,
    MailAddressField,
    MoneyField,
    PhoneField,
    StrictSerializer,
    TextField,
    VatNumberField,
)
from shop.rest.idempotency import KeyedCall
from shop.rest.problem import money_json

# Of the id of a quote: it holds up to ORDER_MAX_LINES lines.
QUOTE_LENGTH = 16_384


class CountField(serializers.IntegerField):
    """A whole number; "2" and 2.0 are not taken for one."""

    def to_internal_value(self, data: Any) -> int:
        """Read a whole number."""
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return super().to_internal_value(data)


class OrderedLineSerializer(StrictSerializer):
    """A product and how many of it."""

    sku = TextField(max_length=64)
    quantity = CountField(min_value=1, max_value=settings.ORDER_MAX_QUANTITY)


class CountryField(serializers.RegexField):
    """The code of a country, which says how to write one where it is not."""

    default_error_messages = {
        "invalid": "This is not an ISO 3166-1 alpha-2 country code in capitals. Write it like PT."
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("^[A-Z]{2}$", help_text="ISO 3166-1 alpha-2", **kwargs)

    def to_internal_value(self, data: Any) -> str:
        """Insist on a country that exists."""
        value = super().to_internal_value(data)
        if value not in COUNTRIES:
            self.fail("invalid")
        return value


class AddressSerializer(StrictSerializer):
    """Where the parcel or the bill goes."""

    name = TextField(max_length=200)
    line1 = TextField(max_length=200)
    line2 = TextField(max_length=200, required=False, default="", allow_blank=True)
    city = TextField(max_length=100)
    region = TextField(
        max_length=100,
        required=False,
        default="",
        allow_blank=True,
        help_text="state, province or the like; required where the country's addresses name it, such as US, and where the shop's taxes differ by region",
    )
    postal_code = TextField(
        max_length=20,
        required=False,
        default="",
        allow_blank=True,
        help_text="required where each address of the country has one, such as PT",
    )
    country = CountryField()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Insist on what no parcel arrives without in that country. An address of an earlier release is only read."""
        wanted = {name: attrs[name] for name in ("country", "region", "postal_code")}
        if missing := missing_in(**wanted):
            told = f"An address in {attrs['country']} needs this."
            raise serializers.ValidationError({name: [told] for name in missing})
        return attrs


class PaymentMethodField(TextField):
    """The provider's token for a payment method, made in the browser; never a card number."""

    default_error_messages = {
        "token": "Send the payment provider's token, made in the browser; card numbers are never taken here."
    }

    def to_internal_value(self, data: Any) -> str:
        """Read a token; the message never repeats what was sent, which may be a card number."""
        if not isinstance(data, str) or not payments.is_payment_token(text=data):
            self.fail("token")
        return data


class PlaceOrderSerializer(StrictSerializer):
    """A new order. Prices are the shop's; `expected_total` is at most compared with them."""

    quote = TextField(
        required=False,
        max_length=QUOTE_LENGTH,
        help_text="the `id` of a quote, instead of `lines`, `shipping_option` and `codes`: the order costs its total, or 409",
    )
    lines = BoundedListField(
        child=OrderedLineSerializer(),
        min_length=1,
        max_length=settings.ORDER_MAX_LINES,
        required=False,
        help_text="required without a `quote`",
    )
    shipping_address = AddressSerializer()
    email = MailAddressField(
        required=False,
        max_length=254,
        help_text="default: the address that the customer signs in with; a guest's is the guest's own",
    )
    payment_method = PaymentMethodField(
        required=False, help_text="the provider's token; without it the order waits for one until `pay_before`"
    )
    expected_total = MoneyField(required=False, help_text="what the customer was shown; 409 if it has changed")
    shipping_option = TextField(
        required=False,
        max_length=SHIPPING_OPTION_LENGTH,
        help_text="the code of one of a quote's `shipping_options`; default: the cheapest",
    )
    codes = BoundedListField(
        child=TextField(max_length=CODE_LENGTH),
        max_length=MAX_CODES,
        required=False,
        help_text="discount codes, in any spelling; 409 `code_not_usable` where one takes nothing off",
    )
    billing_address = AddressSerializer(
        required=False, allow_null=True, help_text="where the bill goes; without it, where the parcel goes"
    )
    company = TextField(required=False, allow_blank=True, max_length=200)
    vat_number = VatNumberField(
        required=False,
        allow_blank=True,
        max_length=30,
        help_text="of the customer's company, with its country's letters (EL for Greece); kept without separators",
    )
    phone = PhoneField(
        required=False, allow_blank=True, max_length=30, help_text="E.164 or as it is dialed; kept without separators"
    )
    note = LinesField(required=False, allow_blank=True, max_length=500, help_text="from the customer to the shop")
    locale = LocaleField(
        required=False,
        allow_blank=True,
        max_length=20,
        help_text=f"BCP 47: how amounts and dates are written for the customer; default: {DEFAULT}",
    )

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Insist on lines where the body has no quote."""
        fields = super().get_fields()
        body = getattr(self, "initial_data", None)
        fields["lines"].required = isinstance(body, Mapping) and "quote" not in body
        return fields

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Insist that what a quote says is not said a second time."""
        if "quote" in attrs and (twice := {"lines", "shipping_option", "codes"}.intersection(attrs)):
            raise serializers.ValidationError({name: ["Leave this out: the quote says it."] for name in sorted(twice)})
        return attrs


class PaymentMethodSerializer(StrictSerializer):
    """How to pay; empty to go on after the customer has authenticated (3-D Secure)."""

    payment_method = PaymentMethodField(required=False)


class RefundSerializer(StrictSerializer):
    """A part of the money to return."""

    amount = MoneyField()
    reason = TextField(max_length=80)

    def validate_amount(self, value: Any) -> Any:
        """Insist on an amount."""
        if value.minor < 1:
            raise serializers.ValidationError("The amount must be at least one minor unit.")
        return value


class NothingSerializer(StrictSerializer):
    """An empty body."""


class AddressOut(serializers.Serializer[Any]):
    """Where the parcel or the bill goes. Once the parcel's is erased, each text is `erased` or empty, and the country stays."""

    name = serializers.CharField()
    line1 = serializers.CharField()
    line2 = serializers.CharField(allow_blank=True)
    city = serializers.CharField()
    region = serializers.CharField(allow_blank=True)
    postal_code = serializers.CharField(allow_blank=True)
    country = serializers.CharField(help_text="ISO 3166-1 alpha-2")


class OrderLineOut(serializers.Serializer[Any]):
    """A line as it was sold."""

    sku = serializers.CharField()
    name = serializers.CharField()
    quantity = serializers.IntegerField()
    unit_price = MoneyField()
    line_total = MoneyField(help_text="unit price times quantity")
    total = MoneyField(help_text="with the line's share of every adjustment: what the line costs, to the minor unit")


class PaymentOut(serializers.Serializer[Any]):
    """The payment of an order."""

    status = serializers.ChoiceField(choices=payments.PaymentStatus.values)
    captured = MoneyField()
    refunded = MoneyField()
    owed = MoneyField(
        help_text="of refunds that the bank sent back or the provider refused; staff make good for it, or a further refund does"
    )
    lost = MoneyField(help_text="what disputes at the customer's bank took back for good")
    dispute = serializers.CharField(
        allow_blank=True,
        help_text="how the customer's dispute at their bank stands, such as NEEDS_RESPONSE or LOST; empty without one",
    )
    attempts_left = serializers.IntegerField(
        help_text="how many other payment methods may be tried, after a decline or in place of one that waits for its customer"
    )
    client_secret = serializers.CharField(
        required=False, help_text="only while the customer has to authenticate: pass it to the provider's script"
    )


class OrderOut(serializers.Serializer[Any]):
    """An order."""

    id = serializers.UUIDField(source="order_id")
    number = serializers.CharField()
    status = serializers.ChoiceField(choices=OrderStatus.choices)
    next_action = serializers.ChoiceField(
        choices=["none", "wait", "provide_payment_method", "authenticate"], help_text="what the storefront does next"
    )
    subtotal = MoneyField(help_text="the sum of the lines before adjustments")
    adjustments = AdjustmentOut(many=True)
    total = MoneyField(help_text="subtotal and all adjustments that are not included")
    lines = OrderLineOut(many=True)
    email = serializers.EmailField(help_text="`erased@erased.invalid` once the recipient's contact is erased")
    shipping_address = AddressOut()
    billing_address = AddressOut(allow_null=True, help_text="null where none was given, and once it is erased")
    company = serializers.CharField(allow_blank=True)
    vat_number = serializers.CharField(allow_blank=True)
    phone = serializers.CharField(allow_blank=True)
    note = serializers.CharField(allow_blank=True, help_text="from the customer to the shop; may have several lines")
    locale = serializers.CharField(allow_blank=True, help_text=f"BCP 47; empty where none was given: {DEFAULT}")
    placed_at = serializers.DateTimeField()
    pay_before = serializers.DateTimeField()
    hold_extensions_left = serializers.IntegerField(
        help_text="how often `POST /orders/{id}/extend-hold` can still give more time to pay: 1 while it waits for its payment, then 0"
    )
    confirmed_at = serializers.DateTimeField(allow_null=True)
    cancel_reason = serializers.ChoiceField(
        choices=[(reason.value, reason.value) for reason in CancelReason],
        allow_null=True,
        help_text="null while the order is not being canceled",
    )
    carrier = serializers.CharField(allow_blank=True)
    tracking_number = serializers.CharField(
        allow_blank=True, help_text="empty until the parcel leaves, and once the recipient's contact is erased"
    )
    payment = PaymentOut(allow_null=True)


def represent(order: OrderState, *, payment: payments.PaymentState | None) -> dict[str, Any]:
    """Return the order as the API writes it: what OrderOut describes, field by field, at a tenth of its cost."""
    return {
        "id": str(order.order_id),
        "number": order.number,
        "status": order.status,
        "next_action": next_action(order, payment),
        "subtotal": money_json(order.subtotal),
        "adjustments": represent_adjustments(order.adjustments),
        "total": money_json(order.total),
        "lines": [
            {
                "sku": line.sku,
                "name": line.name,
                "quantity": line.quantity,
                "unit_price": money_json(line.unit_price),
                "line_total": money_json(line.line_total),
                "total": money_json(total),
            }
            for line, total in zip(order.lines, order.line_totals, strict=True)
        ],
        "email": order.email,
        "shipping_address": dict(vars(order.shipping_address)),
        "billing_address": None if order.billing_address is None else dict(vars(order.billing_address)),
        "company": order.company,
        "vat_number": order.vat_number,
        "phone": order.phone,
        "note": order.note,
        "locale": order.locale,
        "placed_at": moment(order.placed_at),
        "pay_before": moment(order.pay_before),
        "hold_extensions_left": extensions_left(order),
        "confirmed_at": None if order.confirmed_at is None else moment(order.confirmed_at),
        "cancel_reason": order.cancel_reason or None,
        "carrier": order.carrier,
        # What stands in its place is for the tables: a parcel that left has a number there.
        "tracking_number": "" if order.erased else order.tracking_number,
        "payment": None if payment is None else _represent_payment(payment, currency=order.total.currency),
    }


def _represent_payment(payment: payments.PaymentState, *, currency: str) -> dict[str, Any]:
    """Return a payment as PaymentOut describes it.

    One that was closed before it began has no currency of its own: nothing is nothing in the order's `currency`.
    """
    nothing = None if payment.has_currency else money_json(Money.zero(currency))
    secret = {"client_secret": payment.client_secret} if payment.client_secret else {}
    return {
        "status": payment.status,
        "captured": nothing or money_json(payment.captured),
        "refunded": nothing or money_json(payment.refunded),
        "owed": nothing or money_json(payment.owed),
        "lost": nothing or money_json(payment.lost),
        "dispute": payment.dispute,
        "attempts_left": payment.attempts_left,
        **secret,
    }


def moment(at: datetime) -> str:
    """Return a moment as the API writes it: ISO 8601, in UTC."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def next_action(order: OrderState, payment: payments.PaymentState | None) -> str:
    """Return what the storefront does next with this order."""
    if order.status == OrderStatus.AWAITING_PAYMENT:
        if not order.total.minor:
            return "wait"
        if not order.has_payment_method:
            return "provide_payment_method"
        if payment is not None and payment.payment_method == order.payment_method:
            if payment.status == payments.PaymentStatus.REQUIRES_ACTION:
                return "authenticate"
            if payment.status == payments.PaymentStatus.DECLINED and payment.attempts_left:
                return "provide_payment_method"
        return "wait"
    return "none" if order.status in DECIDED else "wait"


class RefundOut(serializers.Serializer[Any]):
    """Money on its way back, or returned."""

    id = serializers.UUIDField()
    status = serializers.ChoiceField(
        choices=payments.RefundStatus.values,
        help_text="PENDING: the bank has it; FAILED: it did not arrive, and payment.owed of the order tells what is owed",
    )
    amount = MoneyField()
    created_at = serializers.DateTimeField()
    reason = serializers.CharField(required=False, allow_blank=True, help_text="what staff wrote; for staff")


class RefundPageOut(serializers.Serializer[Any]):
    """A page of refunds."""

    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = RefundOut(many=True)


class OrderPageOut(serializers.Serializer[Any]):
    """A page of orders."""

    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = OrderOut(many=True)


def _basket_of(validated: dict[str, Any]) -> dict[str, Any]:
    """Return what is ordered, from the body or from its quote. Raises: QuoteNotValid."""
    if "quote" in validated:
        quote = read_quote(validated["quote"])
        return {
            "quote": quote, "lines": quote.lines, "shipping_option": quote.shipping_option, "codes": quote.codes,
        }  # fmt: skip
    return {
        "lines": tuple((line["sku"], line["quantity"]) for line in validated["lines"]),
        "codes": tuple(validated.get("codes", ())),
    }


def new_order(validated: dict[str, Any], *, customer: User, call: KeyedCall) -> NewOrder:
    """Return the order that a validated body wants, field by field under the same names. Raises: QuoteNotValid."""
    if customer.is_guest and validated.get("email", customer.mail_address).lower() != customer.mail_address:
        raise serializers.ValidationError(
            {"email": ["A guest's mails go to the address that the guest was made with."]}
        )
    wanted = validated | {
        **_basket_of(validated),
        "shipping_address": Address(**validated["shipping_address"]),
        "billing_address": Address(**billing) if (billing := validated.get("billing_address")) else None,
        "email": validated.get("email") or customer.mail_address,
        "by_guest": customer.is_guest,
    }
    return NewOrder(customer_id=customer.pk, idempotency_key=call.key, fingerprint=call.fingerprint, **wanted)
