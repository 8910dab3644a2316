"""Rules of prices as staff enter them: what is refused, what is logged, and that counters stay out of their hands."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.messages import get_messages
from django.db import IntegrityError
from django.test import Client

from inventory import api as inventory
from orders.models import DiscountCode, Fee, TaxRate
from orders.queries import RULES
from shipping.models import ShippingOption
from shipping.queries import OPTIONS
from shop.accounts.users import User
from shop.money import Money

TAX = {
    "country": "de",
    "region": "",
    "tax_class": "",
    "label": "VAT 19 %",
    "percent": "19",
    "included": "on",
    "active": "on",
}
CODE = {
    "code": "tenoff",
    "label": "Ten off",
    "amount": "10.00",
    "currency": "eur",
    "skus": "",
    "categories": "",
    "active": "on",
}
FEE = {
    "code": "small",
    "label": "Small order",
    "amount": "2,50",
    "currency": "EUR",
    "below": "20",
    "country": "",
    "active": "on",
}
OPTION = {
    "code": "Standard", "name": "Standard", "days_min": "2", "days_max": "4", "position": "1", "active": "on",
    "rates-TOTAL_FORMS": "1", "rates-INITIAL_FORMS": "0",
    "rates-0-countries": "de, at", "rates-0-min_weight_grams": "0", "rates-0-max_weight_grams": "", "rates-0-currency": "EUR",
    "rates-0-price": "4.90", "rates-0-free_from": "50",
}  # fmt: skip


@pytest.fixture
def staff(database: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("staff@shop.example", "not-a-secret-1"))
    return client


def save(staff: Client, page: str, values: dict[str, Any], pk: int | None = None) -> str:
    """Save a form; return "" where it was saved, else what the page says is wrong."""
    answer = staff.post(f"/admin/{page}/{f'{pk}/change' if pk else 'add'}/", values)
    if answer.status_code == 302:
        return ""
    assert answer.status_code == 200
    form = answer.context["adminform"].form
    problems = [
        *form.errors.values(),
        *(each for one in answer.context["inline_admin_formsets"] for each in one.formset.errors),
    ]
    return str(problems)


def test_what_staff_enter_is_what_is_charged(staff: Client):
    assert save(staff, "orders/taxrate", TAX) == ""
    assert save(staff, "orders/fee", FEE) == ""
    assert save(staff, "shipping/shippingoption", OPTION) == ""

    rules, (option,) = RULES.get(), OPTIONS.get()
    assert [(tax.country, str(tax.percent), tax.included) for tax in rules.taxes] == [("DE", "19.000", True)]
    assert [(fee.code, fee.amount, fee.below) for fee in rules.fees] == [
        ("SMALL", Money(250, "EUR"), Money(2000, "EUR"))
    ]
    assert (option.code, option.rates[0].countries) == ("standard", frozenset({"DE", "AT"}))
    assert (option.rates[0].price, option.rates[0].free_from) == (Money(490, "EUR"), Money(5000, "EUR"))


def test_a_code_is_kept_in_capitals_with_its_lists(staff: Client):
    assert save(staff, "orders/discountcode", CODE | {"skus": "MUG, BOOK,MUG", "minimum": "25"}) == ""

    rule = DiscountCode.objects.get().rule
    assert (rule.code, rule.amount, rule.minimum) == ("TENOFF", Money(1000, "EUR"), Money(2500, "EUR"))
    assert rule.skus == {"MUG", "BOOK"}


@pytest.mark.parametrize(
    ("page", "values", "wrong"),
    [
        ("taxrate", TAX | {"country": "XX"}, "not an ISO 3166 code"),
        ("taxrate", TAX | {"country": "US", "region": "NYC"}, "NYC is not a region of US"),
        ("taxrate", TAX | {"country": "VA", "region": "Rome"}, "Rome is not a region of VA"),
        ("fee", FEE | {"currency": "EUX"}, "not an ISO 4217 code"),
        ("fee", FEE | {"currency": "JPY"}, "JPY has no decimals"),
        ("discountcode", CODE | {"percent": "10"}, "either a percentage"),
        ("discountcode", CODE | {"amount": "", "currency": ""}, "either a percentage"),
        ("discountcode", CODE | {"amount": "", "percent": "100.001"}, "either a percentage"),
        ("discountcode", CODE | {"currency": ""}, "An amount needs a currency"),
        ("discountcode", CODE | {"code": "ten off"}, "A code has up to 40 capital letters"),
        ("discountcode", CODE | {"starts_at_0": "2026-01-02", "starts_at_1": "00:00", "ends_at_0": "2026-01-01", "ends_at_1": "00:00"}, "end after it starts"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_the_form(staff: Client, page: str, values: dict[str, str], wrong: str):
    assert wrong in save(staff, f"orders/{page}", values)


@pytest.mark.parametrize(
    ("values", "wrong"),
    [
        ({"days_max": "1"}, "The latest day"),
        ({"rates-0-countries": "DE,EU"}, "not ISO 3166 codes: EU"),
        ({"rates-0-max_weight_grams": "10", "rates-0-min_weight_grams": "11"}, "highest weight"),
    ],
)
def test_a_rate_that_cannot_be_is_refused(staff: Client, values: dict[str, str], wrong: str):
    assert wrong in save(staff, "shipping/shippingoption", OPTION | values)
    assert not ShippingOption.objects.exists()


def test_a_second_active_rate_for_the_same_is_refused_until_the_first_one_is_not(staff: Client):
    save(staff, "orders/taxrate", TAX)
    first = TaxRate.objects.get()

    assert "Set it inactive first" in save(staff, "orders/taxrate", TAX | {"percent": "20"})
    assert save(staff, "orders/taxrate", {name: text for name, text in TAX.items() if name != "active"}, first.pk) == ""
    assert save(staff, "orders/taxrate", TAX | {"percent": "20"}) == ""


def test_a_region_is_kept_by_its_code_and_has_one_active_rate_however_it_was_written(staff: Client):
    TaxRate.objects.create(country="US", region="new york", label="As an earlier release took it", percent=4)

    assert "There is an active rate for this region" in save(
        staff, "orders/taxrate", TAX | {"country": "us", "region": "US-NY"}
    )

    (first,) = TaxRate.objects.all()
    assert save(staff, "orders/taxrate", TAX | {"country": "us", "region": "New York"}, first.pk) == ""
    assert save(staff, "orders/taxrate", TAX | {"country": "us", "region": "nj"}) == ""
    assert "There is an active rate" in save(staff, "orders/taxrate", TAX | {"country": "us", "region": "NEW  JERSEY"})
    assert list(TaxRate.objects.values_list("region", flat=True)) == ["NJ", "NY"]


@pytest.mark.makes_facts_up
def test_saving_a_code_never_touches_its_counters(staff: Client, monkeypatch: pytest.MonkeyPatch):
    save(staff, "orders/discountcode", CODE | {"max_uses": "5"})
    code = DiscountCode.objects.get()
    DiscountCode.objects.update(held=2)
    saved = DiscountCode.save

    def save_late(row: DiscountCode, **how: Any) -> None:
        DiscountCode.objects.filter(pk=row.pk).update(held=1, used=1)
        saved(row, **how)

    monkeypatch.setattr(DiscountCode, "save", save_late)

    assert save(staff, "orders/discountcode", CODE | {"max_uses": "4", "held": "0", "used": "0"}, code.pk) == ""
    code.refresh_from_db()
    assert (code.held, code.used, code.max_uses) == (1, 1, 4)


@pytest.mark.makes_facts_up
def test_fewer_uses_than_there_are_is_refused(staff: Client, monkeypatch: pytest.MonkeyPatch):
    save(staff, "orders/discountcode", CODE | {"max_uses": "5"})
    code = DiscountCode.objects.get()
    DiscountCode.objects.update(held=1, used=1)

    assert "use it already" in save(staff, "orders/discountcode", CODE | {"max_uses": "1"}, code.pk)

    saved = DiscountCode.save

    def save_late(row: DiscountCode, **how: Any) -> None:
        DiscountCode.objects.filter(pk=row.pk).update(used=3)
        saved(row, **how)

    monkeypatch.setattr(DiscountCode, "save", save_late)
    answer = staff.post(f"/admin/orders/discountcode/{code.pk}/change/", CODE | {"max_uses": "2"}, follow=True)
    assert "It changed while you were editing it" in answer.content.decode()
    code.refresh_from_db()
    assert (code.used, code.max_uses) == (1, 5)


def test_the_log_says_what_was_changed_to_what(staff: Client):
    save(staff, "orders/taxrate", TAX)
    save(staff, "orders/taxrate", TAX | {"percent": "20", "label": "VAT 20 %"}, TaxRate.objects.get().pk)
    save(staff, "shipping/shippingoption", OPTION)

    *_first, changed, option = LogEntry.objects.order_by("pk").values_list("change_message", flat=True)
    assert changed == "label: VAT 19 % to VAT 20 %, percent: 19.000 to 20"
    assert "added" in option
    assert "price: nothing to 4.90" in option


def test_nobody_deletes_a_code_that_orders_may_name(staff: Client):
    save(staff, "orders/discountcode", CODE)

    assert (
        staff.post(f"/admin/orders/discountcode/{DiscountCode.objects.get().pk}/delete/", {"post": "yes"}).status_code
        == 403
    )


@pytest.mark.parametrize(
    "values",
    [
        {"held": 1, "max_uses": 0},
        {"used": 2, "max_uses": 1},
        {"held": 1, "used": 1, "max_uses": 1},
        {"percent": None},
        {"code": "small"},
        {"minimum_minor": 100},
    ],
)
def test_the_database_refuses_what_no_form_is_needed_for(values: dict[str, Any]):
    with pytest.raises(IntegrityError):
        DiscountCode.objects.create(**{"code": "TEN", "label": "Ten", "percent": 10} | values)


def test_the_database_refuses_a_fee_of_nothing():
    with pytest.raises(IntegrityError):
        Fee.objects.create(code="FREE", label="Free", amount_minor=0, currency="EUR")


@pytest.fixture
def shelf(staff: Client) -> Client:
    """Return the staff of a shop that sells two products, of a category and a tax class each."""
    for sku, category, tax_class in (("MUG-BLUE", "Kitchen", ""), ("BOOK", "Books", "reduced")):
        details = inventory.Details(category=category, tax_class=tax_class)
        inventory.add_product(sku=sku, name=sku, price=Money(1000, "EUR"), details=details)
    return staff


def warnings(staff: Client, page: str, values: dict[str, Any], pk: int | None = None) -> list[str]:
    """Save a form; return what the shop warns of."""
    answer = staff.post(f"/admin/{page}/{f'{pk}/change' if pk else 'add'}/", values)
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    return [str(each) for each in get_messages(answer.wsgi_request) if each.level_tag == "warning"]


UNKNOWN = [
    ("taxrate", TAX | {"tax_class": "redused"}, "No product has the tax class redused. Did you mean reduced?"),
    ("discountcode", CODE | {"skus": "BOOK, mug-blue"}, "No product has the SKU mug-blue. Did you mean MUG-BLUE?"),
    ("discountcode", CODE | {"skus": "XYLOPHONE"}, "No product has the SKU XYLOPHONE."),
    ("discountcode", CODE | {"categories": "Kichen"}, "No product is in the category Kichen. Did you mean Kitchen?"),
]  # fmt: skip


@pytest.mark.parametrize(("page", "values", "told"), UNKNOWN)
def test_a_name_that_no_product_has_is_refused_unless_its_product_follows(
    shelf: Client, page: str, values: dict[str, Any], told: str
):
    assert f"{told} If its product is still to come" in html.unescape(save(shelf, f"orders/{page}", values))
    assert not TaxRate.objects.exists()
    assert not DiscountCode.objects.exists()

    assert warnings(shelf, f"orders/{page}", values | {"ahead": "on"}) == [told]
    assert "ahead: nothing to True" in LogEntry.objects.latest("pk").change_message


@pytest.mark.parametrize(
    ("page", "values"),
    [
        ("taxrate", TAX | {"tax_class": "reduced"}),
        ("discountcode", CODE | {"skus": "BOOK,MUG-BLUE", "categories": "Books"}),
        ("fee", FEE),
    ],
)
def test_names_that_products_have_are_saved_without_a_word(shelf: Client, page: str, values: dict[str, Any]):
    inventory.change_product(sku="BOOK", name="Book", price=Money(1, "EUR"), active=False)

    assert warnings(shelf, f"orders/{page}", values) == []


def test_a_name_that_was_saved_before_is_told_again_and_stops_no_other_change(shelf: Client):
    code = DiscountCode.objects.create(code="TENOFF", label="Ten", amount_minor=1000, currency="EUR", skus=["TEA"])

    assert warnings(shelf, "orders/discountcode", CODE | {"skus": "TEA", "max_uses": "9"}, code.pk) == [
        "No product has the SKU TEA."
    ]
    assert "No product has the SKU TEE" in save(shelf, "orders/discountcode", CODE | {"skus": "TEA,TEE"}, code.pk)


@pytest.mark.parametrize(
    ("page", "values"),
    [
        ("orders/fee", FEE | {"currency": "USD"}),
        ("orders/discountcode", CODE | {"currency": "USD"}),
        ("shipping/shippingoption", OPTION | {"rates-0-currency": "USD"}),
    ],
)
def test_a_currency_that_nothing_is_priced_in_is_warned_of(shelf: Client, page: str, values: dict[str, Any]):
    (warning,) = warnings(shelf, page, values)

    assert warning.startswith("No product is priced in USD: until one is, no order meets this r")


def test_names_that_cannot_be_looked_up_are_not_saved(shelf: Client, monkeypatch: pytest.MonkeyPatch):
    def fail(**_what: Any) -> None:
        raise inventory.InventoryUnavailable

    monkeypatch.setattr(inventory, "find_unknown", fail)

    assert "This cannot be checked now" in save(shelf, "orders/discountcode", CODE | {"skus": "BOOK"})


@pytest.mark.parametrize(
    ("page", "values", "wrong"),
    [
        ("orders/discountcode", CODE | {"max_uses": "0"}, "at least 1, or leave this empty"),
        ("orders/discountcode", CODE | {"max_uses": "-1"}, "at least 1, or leave this empty"),
        ("orders/discountcode", CODE | {"amount": "0"}, "more than 0"),
        ("orders/discountcode", CODE | {"minimum": "0"}, "more than 0, or leave this empty"),
        ("orders/discountcode", CODE | {"minimum": "-1"}, "Write the amount as"),
        ("orders/fee", FEE | {"amount": "0"}, "more than 0"),
        ("orders/fee", FEE | {"below": "0"}, "more than 0, or leave this empty"),
        ("orders/taxrate", TAX | {"percent": "-1"}, "from 0 to 100"),
        ("orders/taxrate", TAX | {"percent": "101"}, "from 0 to 100"),
        ("shipping/shippingoption", OPTION | {"rates-0-free_from": "0"}, "more than 0, or leave this empty"),
    ],
)
def test_a_limit_of_nothing_is_refused_in_words(staff: Client, page: str, values: dict[str, str], wrong: str):
    found = html.unescape(save(staff, page, values))

    assert wrong in found
    assert "onstraint" not in found


def test_an_amount_that_the_card_provider_cannot_count_is_refused_beside_its_field(staff: Client):
    told = save(staff, "orders/fee", FEE | {"amount": "5.124", "currency": "KWD", "below": ""})

    assert "KWD" in told
    assert not Fee.objects.exists()


@pytest.mark.parametrize(("below", "shown"), [("20", "€20.00"), ("", ">-<")])
def test_the_list_of_fees_says_below_which_value_each_is_charged(staff: Client, below: str, shown: str):
    assert save(staff, "orders/fee", FEE | {"below": below}) == ""

    assert shown in _squeezed(staff.get("/admin/orders/fee/"))


@pytest.mark.parametrize(("takes_off", "shown"), [({"percent": "12.50", "amount": ""}, "12.5 %"), ({}, "€10.00")])
def test_the_list_of_codes_says_what_each_takes_off(staff: Client, takes_off: dict[str, str], shown: str):
    assert save(staff, "orders/discountcode", CODE | takes_off) == ""

    assert shown in _squeezed(staff.get("/admin/orders/discountcode/"))


def _squeezed(page: Any) -> str:
    """Return a page without the spaces around its tags."""
    return re.sub(r"\s*([<>])\s*", r"\1", page.content.decode())
