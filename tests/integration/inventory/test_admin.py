"""Staff's pages: everything to read, products and stock to change through services, each change logged."""

from datetime import UTC, datetime
from unittest.mock import Mock

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from inventory import api as inventory
from inventory.api import InventoryBusy, InventoryUnavailable
from inventory.models import Product
from orders.models import TaxRate
from shop.money import Money
from tests.integration.inventory.reservations import levels, reservation_in

pytestmark = pytest.mark.usefixtures("audited")


def signed_in(*permissions: str) -> Client:
    staff = get_user_model().objects.create_user(email="staff@shop.example", password="a long password", is_staff=True)
    staff.user_permissions.set(
        Permission.objects.filter(content_type__app_label="inventory", codename__in=permissions)
        if permissions
        else Permission.objects.filter(content_type__app_label="inventory")
    )
    client = Client()
    client.force_login(staff, backend="django.contrib.auth.backends.ModelBackend")
    return client


def act(client: Client, action: str, **form: object):
    arguments = () if action == "add_one" else (Product.objects.get().pk,)
    url = reverse(f"admin:inventory_product_{action}", args=arguments)
    return client.post(url, {"_form_submitted": "True", **form})


def test_every_page_opens_and_edits_nothing_by_hand(shelf):
    shelf()
    order_id = reservation_in("HELD")
    client = signed_in()

    for model, key in (
        ("product", Product.objects.get().pk),
        ("stock", "MUG"),
        ("stockmovement", None),
        ("reservation", order_id),
        ("outbox", None),
    ):
        assert client.get(reverse(f"admin:inventory_{model}_changelist")).status_code == 200
        assert client.get(reverse(f"admin:inventory_{model}_add")).status_code == (302 if model == "product" else 403)
        if key:
            url = reverse(f"admin:inventory_{model}_change", args=[key])
            assert client.get(url).status_code == 200
            assert client.post(url, {"status": "PAYING"}).status_code == 403


def test_the_address_that_one_types_to_add_a_product_leads_to_where_it_is_added(shelf):
    client = signed_in("add_product", "view_product")

    page = client.get(reverse("admin:inventory_product_add"), follow=True)

    assert page.status_code == 200
    assert "import_products" in page.content.decode()
    assert "Add product" in page.content.decode()


def test_who_may_not_add_products_is_not_led_there(shelf):
    assert signed_in("view_product").get(reverse("admin:inventory_product_add")).status_code == 403


def test_the_options_and_the_price_of_a_product_are_told_in_words(shelf):
    details = inventory.Details(group="shirt", options={"color": "blue", "size": "M"})
    inventory.add_product(sku="SHIRT", name="Shirt", price=Money(1900, "EUR"), details=details)

    page = signed_in().get(reverse("admin:inventory_product_change", args=[Product.objects.get().pk]))

    assert "color: blue, size: M" in page.content.decode()
    assert "€19.00" in page.content.decode()
    assert "Price minor" not in page.content.decode()


def test_a_form_that_was_open_meanwhile_does_not_put_back_what_somebody_changed(shelf):
    shelf(quantity=10)
    client, product = signed_in(), Product.objects.get()
    page = client.get(reverse("admin:inventory_product_edit", args=[product.pk]))
    posted = {name: "" if value is None else value for name, value in page.context["form"].initial.items()}
    inventory.change_product(sku="MUG", name="Mug", price=Money(9900, "EUR"), active=True, details=inventory.Details())

    late = act(client, "edit", **posted | {"name": "Another name"})

    assert f'name="seen" value="{posted["seen"]}"' in page.content.decode()
    assert "Somebody has changed this product since you opened this form" in late.content.decode()
    assert (Product.objects.get().name, Product.objects.get().price_minor) == ("Mug", 9900)
    now = client.get(reverse("admin:inventory_product_edit", args=[product.pk])).context["form"].initial
    act(
        client,
        "edit",
        **{name: "" if value is None else value for name, value in now.items()} | {"name": "Another name"},
    )
    assert (Product.objects.get().name, Product.objects.get().price_minor) == ("Another name", 9900)


def test_staff_receive_and_write_off_stock_with_a_form(shelf):
    shelf(quantity=10)
    client = signed_in()

    page = client.get(reverse("admin:inventory_product_receive", args=[Product.objects.get().pk]))
    act(client, "receive", quantity=5, reference="delivery 2")
    act(client, "write_off", quantity=3, reference="broken in transit")

    assert b"quantity" in page.content
    assert levels() == (12, 0, 0)
    assert [entry.change_message for entry in LogEntry.objects.order_by("id")] == [
        "received 5: delivery 2",
        "wrote off 3: broken in transit",
    ]


@pytest.mark.parametrize(
    ("fault", "said", "logged"),
    [
        (InventoryBusy(), "nothing was done (This stock is in great demand; try again). Repeat it: received 5", []),
        (
            InventoryUnavailable(),
            "Nothing continues it: look whether it is there, and repeat it if it is not",
            ["received 5: delivery 2: its outcome is not known yet"],
        ),
    ],
    ids=["busy", "unknown"],
)
def test_a_delivery_that_could_not_be_entered_is_not_said_to_continue(shelf, monkeypatch, fault, said, logged):
    shelf(quantity=10)
    client = signed_in()
    monkeypatch.setattr("inventory.admin.api.receive_stock", Mock(side_effect=fault))

    answer = act(client, "receive", quantity=5, reference="delivery 2")
    page = client.get(answer.headers["Location"])

    assert said in page.content.decode()
    assert "do not repeat it" not in page.content.decode()
    assert [entry.change_message for entry in LogEntry.objects.order_by("id")] == logged


def test_writing_off_too_much_is_said_and_changes_nothing(shelf):
    shelf(quantity=10)
    client = signed_in()

    answer = act(client, "write_off", quantity=11, reference="all of it")
    page = client.get(answer.headers["Location"])

    assert b"11 of MUG cannot be written off: 10 can" in page.content
    assert levels() == (10, 0, 0)
    assert not LogEntry.objects.exists()


def test_staff_add_and_edit_products_in_major_units(database):
    client = signed_in()

    act(client, "add_one", sku="CUP", name="Cup", price="12.340", currency="kwd", active="on")
    form = client.get(reverse("admin:inventory_product_edit", args=[Product.objects.get().pk]))
    act(client, "edit", name="Blue cup", price="900", currency="JPY", active="on")

    assert b"12.340" in form.content
    assert inventory.get_offers(skus=["CUP"])["CUP"] == inventory.ProductOffer("CUP", "Blue cup", Money(900, "JPY"), 0)


@pytest.mark.parametrize(
    ("price", "currency"),
    [("9.5", "JPY"), ("1", "XXQ"), ("-1", "EUR"), ("12.345", "KWD"), ("1", "IQD"), ("1000000", "EUR")],
)
def test_price_that_the_currency_cannot_have_is_refused_in_the_form(database, price, currency):
    answer = act(signed_in(), "add_one", sku="CUP", name="Cup", price=price, currency=currency)

    assert answer.status_code == 200
    assert not Product.objects.exists()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"sku": "A CUP"}, "A SKU has up to 64 letters"),
        ({"group": "CUP S"}, "A group has up to 64 letters"),
        ({"tax_class": "Reduced"}, "A tax class has up to 40 small letters"),
    ],
)
def test_a_code_that_is_not_one_is_refused_in_words(database, wrong, words):
    answer = act(signed_in(), "add_one", **{"sku": "CUP", "name": "Cup", "price": "1", "currency": "EUR"} | wrong)

    assert words in answer.content.decode()


@pytest.mark.parametrize("action", ["receive", "write_off", "edit"])
def test_staff_who_may_only_look_change_nothing(shelf, action):
    shelf()
    client = signed_in("view_product")

    answer = act(client, action, quantity=1, reference="x", name="x", price="1", currency="EUR")

    assert answer.status_code == 403
    assert levels() == (10, 0, 0)


TOLD = {
    "name": "T-shirt",
    "price": "24",
    "currency": "EUR",
    "active": "on",
    "active_from": "2026-01-01 08:00",
    "active_to": "2126-01-01",
    "category": "Clothes",
    "group": "TEE",
    "options": "size=M\ncolor=red",
    "description": "Soft.\r\nWashes well.",
    "images": "/static/tee.svg A red T-shirt\r\nhttps://cdn.example/back.jpg Its back",
    "weight_grams": "180",
    "tax_class": "reduced",
}


def test_what_staff_tell_of_a_product_is_shown_in_the_form_and_kept_when_it_is_saved_again(database):
    client = signed_in()

    act(client, "add_one", sku="TEE-M", **TOLD)
    made = Product.objects.get()
    form = client.get(reverse("admin:inventory_product_edit", args=[made.pk])).context["form"]
    again = {name: field.value() for name, field in ((name, form[name]) for name in form.fields) if name[0] != "_"}
    act(
        client,
        "edit",
        **{name: value for name, value in again.items() if value not in (None, False)} | {"active": "on"},
    )

    assert made.details == inventory.Details(
        description="Soft.\nWashes well.",
        images=(
            inventory.Image("/static/tee.svg", "A red T-shirt"),
            inventory.Image("https://cdn.example/back.jpg", "Its back"),
        ),
        category="Clothes",
        group="TEE",
        options={"size": "M", "color": "red"},
        weight_grams=180,
        tax_class="reduced",
        active_from=datetime(2026, 1, 1, 8, tzinfo=UTC),
        active_to=datetime(2126, 1, 1, tzinfo=UTC),
    )
    assert Product.objects.get().details == made.details


@pytest.mark.parametrize(
    ("member", "wrong"),
    [
        ("images", "javascript:alert(1) A mug"),
        ("images", "/mug.svg"),
        ("options", "size"),
        ("options", ""),  # of a product with a group
        ("group", "two words"),
        ("tax_class", "Books"),
        ("weight_grams", "-1"),
        ("category", 81 * "x"),
        ("category", "a\u202eb"),
        ("description", "4242 4242 4242 4242"),
        ("active_to", "2026-01-01 07:59"),
        ("active_from", "soon"),
    ],
)
def test_what_cannot_be_told_of_a_product_is_refused_at_its_field(database, member, wrong):
    answer = act(signed_in(), "add_one", sku="TEE-M", **TOLD | {member: wrong})

    assert answer.status_code == 200
    assert list(answer.context["form"].errors) == [member]
    assert not Product.objects.exists()


def test_a_variant_that_there_is_already_is_told_to_staff(database):
    client = signed_in()
    act(client, "add_one", sku="TEE-M", **TOLD)

    act(client, "add_one", sku="TEE-N", **TOLD)
    page = client.get(reverse("admin:inventory_product_changelist"))

    assert b"another product of the group of TEE-N has these options" in page.content
    assert Product.objects.count() == 1


def test_the_list_says_what_is_for_sale_now(shelf):
    shelf()
    Product.objects.update(active_to=datetime(2026, 1, 1, tzinfo=UTC))

    page = signed_in().get(reverse("admin:inventory_product_changelist"))

    [shown] = page.context["cl"].result_list
    assert not shown.is_for_sale(datetime(2026, 1, 1, tzinfo=UTC))
    assert shown.is_for_sale(datetime(2025, 12, 31, tzinfo=UTC))


NEW = {"sku": "TEA", "name": "Tea", "price": "7.80", "currency": "EUR", "active": "on"}


def test_a_tax_class_that_no_rate_is_for_is_refused_unless_it_is_meant(shelf):
    TaxRate.objects.create(country="DE", tax_class="reduced", label="VAT 7 %", percent=7)
    client = signed_in("add_product", "view_product", "change_product")

    refused = act(client, "add_one", **NEW, tax_class="redused").content.decode()
    assert "No active tax rate is for redused" in refused
    assert "Did you mean reduced?" in refused
    assert not Product.objects.filter(sku="TEA").exists()

    assert act(client, "add_one", **NEW, tax_class="redused", untaxed="on").status_code == 302
    product = Product.objects.get(sku="TEA")
    edit = reverse("admin:inventory_product_edit", args=[product.pk])
    changed = {name: value for name, value in NEW.items() if name != "sku"} | {"_form_submitted": "True"}
    assert client.post(edit, changed | {"tax_class": "redused", "name": "Green tea"}).status_code == 302
    product.refresh_from_db()
    assert (product.name, product.tax_class) == ("Green tea", "redused")


def test_a_category_that_looks_like_another_is_asked_about(shelf):
    details = inventory.Details(category="Kitchen")
    inventory.add_product(sku="POT", name="Pot", price=Money(1900, "EUR"), details=details)
    client = signed_in("add_product", "view_product")

    answer = act(client, "add_one", **NEW, category="Kichen")
    other = act(client, "add_one", **NEW | {"sku": "BOOK"}, category="Books")

    (warning,) = [str(each) for each in get_messages(answer.wsgi_request)]
    assert warning.startswith("Kichen is a new category. Did you mean Kitchen?")
    assert "Books" not in "".join(map(str, get_messages(other.wsgi_request)))


@pytest.mark.parametrize("from_dialog", [False, True])
def test_a_product_whose_sku_is_taken_is_told_and_leads_back_to_the_list(shelf, from_dialog):
    shelf()
    url = reverse("admin:inventory_product_changelist")
    form = {"_form_submitted": "True", "sku": "MUG", "name": "Mug", "price": "1", "currency": "EUR"}

    answer = signed_in().post(
        reverse("admin:inventory_product_add_one"), form, headers={"HX-Request": "true"} if from_dialog else {}
    )

    assert (answer.status_code, answer.get("HX-Redirect" if from_dialog else "Location")) == (
        200 if from_dialog else 302,
        url,
    )
    assert [said.level_tag for said in get_messages(answer.wsgi_request)] == ["error"]
    assert not LogEntry.objects.exists()
