"""The usual body of a new order, checked at a tenth of a serializer's cost; it never decides what is wrong with one.

Only what PlaceOrderSerializer would accept without changing it passes here. Whatever is unusual (an email address, an
expected total, blanks around a text) and whatever is wrong goes to the serializer, which words the problem. Where the
serializer asks for a field that is not known here, or fills one in, every body goes there.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from django.conf import settings
from msgspec import UNSET, Meta, UnsetType
from rest_framework import serializers
from rest_framework.fields import empty

from orders.rest.serializers import AddressSerializer, OrderedLineSerializer, PlaceOrderSerializer
from payments import api as payments
from shop.conversion import convert
from shop.countries import COUNTRIES
from shop.postal import WITH_REGION
from shop.text import is_clean


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    sku: Annotated[str, Meta(min_length=1, max_length=64)]
    quantity: Annotated[int, Meta(ge=1, le=settings.ORDER_MAX_QUANTITY)]


class _Address(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    name: Annotated[str, Meta(min_length=1, max_length=200)]
    line1: Annotated[str, Meta(min_length=1, max_length=200)]
    line2: Annotated[str, Meta(max_length=200)] = ""
    city: Annotated[str, Meta(min_length=1, max_length=100)]
    region: Annotated[str, Meta(max_length=100)] = ""
    postal_code: Annotated[str, Meta(min_length=1, max_length=20)]
    country: str


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    lines: Annotated[list[_Line], Meta(min_length=1, max_length=settings.ORDER_MAX_LINES)]
    shipping_address: _Address
    payment_method: str | UnsetType = UNSET


def missed_by(known: type[msgspec.Struct], serializer: type[serializers.Serializer[Any]]) -> set[str]:
    """Return the serializer's fields that a body of the `known` kind lacks, and cannot do without."""
    return {
        name
        for name, field in serializer().get_fields().items()
        if name not in known.__struct_fields__ and (field.required or field.default is not empty)
    }


# While there are any, no body is usual.
MISSED = (
    missed_by(_Body, PlaceOrderSerializer)
    | missed_by(_Address, AddressSerializer)
    | missed_by(_Line, OrderedLineSerializer)
)


def usual_order(data: Any) -> dict[str, Any] | None:
    """Return what PlaceOrderSerializer makes of a usual body, None for any other."""
    if MISSED:
        return None
    try:
        body = convert(data, _Body, strict=True)
    except (msgspec.ValidationError, UnicodeEncodeError):
        # Half of a surrogate pair, which JSON can hold, cannot be encoded.
        return None
    address = msgspec.structs.asdict(body.shipping_address)
    texts = [*address.values(), *(line.sku for line in body.lines)]
    if address["country"] not in COUNTRIES or not all(map(is_clean, texts)):
        return None
    if address["country"] in WITH_REGION and not address["region"]:
        return None
    found: dict[str, Any] = {
        "lines": [msgspec.structs.asdict(line) for line in body.lines],
        "shipping_address": address,
    }
    if isinstance(body.payment_method, str):
        if not payments.is_payment_token(text=body.payment_method):
            return None
        found["payment_method"] = body.payment_method
    return found
