"""Who buys and what is sold, made as the shop itself makes them: users by their manager, products by inventory's door."""

from __future__ import annotations

import uuid
from typing import Any, Protocol, TypeVar, cast

import factory

from inventory import api as inventory
from orders.queries import Address
from orders.services import NewOrder
from shop.models import User
from shop.money import Money

PASSWORD = "correct horse battery"
T = TypeVar("T")


class Makes(Protocol[T]):
    """What a factory is to those who call it; factory_boy's types have it give itself."""

    def __call__(self, **facts: Any) -> T: ...

    def create_batch(self, size: int, **facts: Any) -> list[T]: ...


class _Users(factory.Factory[User]):
    """A customer; `is_staff=True` and `permissions=("orders.cancel_order",)` make somebody of the shop."""

    class Meta:
        model = User

    email = factory.Sequence(lambda number: f"customer-{number}@shop.example")
    password = PASSWORD

    @classmethod
    def _create(cls, model_class: type[User], *_args: Any, permissions: tuple[str, ...] = (), **kwargs: Any) -> User:
        from django.contrib.auth.models import Permission

        user = model_class.objects.create_user(kwargs.pop("email"), kwargs.pop("password"), **kwargs)
        for name in permissions:
            app, codename = name.split(".")
            user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
        return user


class _Products(factory.Factory[Any]):
    """A product on the shelf, received in one delivery; gives its SKU."""

    class Meta:
        model = dict

    sku = factory.Sequence(lambda number: f"SKU-{number}")
    name = factory.LazyAttribute(lambda product: f"The {product.sku.lower()}")
    price = Money(1250, "EUR")
    stock = 10

    @classmethod
    def _create(cls, *_args: Any, **kwargs: Any) -> str:
        sku = str(kwargs["sku"])
        inventory.add_product(sku=sku, name=kwargs["name"], price=kwargs["price"])
        if kwargs["stock"]:
            inventory.receive_stock(sku=sku, quantity=kwargs["stock"], reference="delivery 1")
        return sku


class _NewOrders(factory.Factory[NewOrder]):
    """An order as it is placed past the API: two mugs, paid at once, under a key of its own."""

    class Meta:
        model = NewOrder

    customer_id = factory.LazyFunction(uuid.uuid4)
    idempotency_key = factory.LazyFunction(lambda: str(uuid.uuid4()))
    fingerprint = "0" * 64
    lines = (("MUG", 2),)
    email = "ada@example.com"
    shipping_address = Address("Ada Lovelace", "Allee 1", "", "Berlin", "", "10115", "DE")
    payment_method = "pm_card_visa"


def offers(name: str = "Mug") -> dict[str, inventory.ProductOffer]:
    """Return what inventory would offer for a NewOrder of mugs."""
    return {"MUG": inventory.ProductOffer("MUG", name, Money(1250, "EUR"), available=0)}


class _Addresses(factory.DictFactory):
    """Where the parcel goes."""

    name = "Ada Example"
    line1 = "1 Harbor Street"
    city = "Lisbon"
    postal_code = "1100-001"
    country = "PT"


class _OrderBodies(factory.DictFactory):
    """The body of POST /orders: one of MUG unless `lines` says otherwise, with a card that works."""

    class Params:
        sku = "MUG"
        quantity = 1

    lines = factory.LazyAttribute(lambda order: [{"sku": order.sku, "quantity": order.quantity}])
    shipping_address = factory.SubFactory(_Addresses)
    payment_method = "pm_card_visa"


UserFactory = cast("Makes[User]", _Users)
ProductFactory = cast("Makes[str]", _Products)
NewOrderFactory = cast("Makes[NewOrder]", _NewOrders)
AddressFactory = cast("Makes[dict[str, str]]", _Addresses)
OrderBodyFactory = cast("Makes[dict[str, Any]]", _OrderBodies)
