"""The receipt's figures add up to the order's, its words are the customer's, and whatever is in it can be set."""

from __future__ import annotations

import base64
import hashlib
import re
import uuid
import zlib
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orders.models import OrderStatus
from orders.pricing.basket import Basket, Destination
from orders.pricing.price import apply_discounts, price
from orders.pricing.priced import Priced
from orders.pricing.rules import DiscountRule, Rules, Shipping
from orders.queries import Address, OrderLineState, OrderState
from orders.receipts import Receipt, ReceiptNotReady, Seller, make_receipt, policy, write_page, write_sheet
from orders.receipts.figures import TaxLine
from orders.receipts.pdf import MISSING, SOME_MISSING, printable, sheet_for_pdf, write_pdf
from orders.receipts.sheet import ERASED, REVERSE_CHARGE
from payments.api import PaymentState, PaymentStatus
from shop.money import Money
from tests.unit.orders.pricing.baskets import drawn_baskets, item, vat

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
ADDRESS = Address("Ada Lovelace", "Allee 1", "", "Berlin", "", "10115", "DE")
SELLER = Seller(name="Mugs & More", address=("1 Harbor Street", "Lisboa"), vat_number="PT123456789")
PRICED = Priced(items=(item(1250, quantity=2), item(990)), adjustments=())
GREEK = Address("Παπαδόπουλος Γεώργιος", "Οδός 1", "", "Αθήνα", "", "10431", "GR")


def order_of(priced: Priced = PRICED, **more: Any) -> OrderState:
    order = OrderState(
        order_id=uuid.uuid4(),
        number="7K3M9QW2XZ",
        customer_id=uuid.uuid4(),
        status=OrderStatus.CONFIRMED,
        version=3,
        total=priced.total,
        lines=tuple(OrderLineState(each.sku, each.name, each.quantity, each.unit_price) for each in priced.items),
        adjustments=priced.adjustments,
        email="ada@shop.example",
        shipping_address=ADDRESS,
        placed_at=AT,
        pay_before=AT,
        has_payment_method=True,
        confirmed_at=AT,
    )
    return replace(order, **more)


def payment_of(order: OrderState, **more: int) -> PaymentState:
    none = Money.zero(order.total.currency)
    payment = PaymentState(
        order_id=order.order_id,
        status=PaymentStatus.CAPTURED,
        amount=order.total,
        captured=order.total,
        refunded=none,
        owed=none,
        settled=none,
        lost=none,
    )
    amounts: dict[str, Any] = {name: Money(minor, order.total.currency) for name, minor in more.items()}
    return replace(payment, **amounts)


def receipt_of(priced: Priced = PRICED, *, back: dict[str, int] | None = None, **more: Any) -> Receipt:
    order = order_of(priced, **more)
    payment = payment_of(order, **(back or {}))
    return make_receipt(order=order, payment=payment, seller=SELLER)


def priced(*items: Any, taxes: tuple[Any, ...] = (), shipping: int = 0, vat_number: str = "", off: str = "") -> Priced:
    basket = Basket(items=items, destination=Destination(country="DE"), vat_number=vat_number)
    codes = [DiscountRule(code="SUMMER", label="Summer", percent=Decimal(off))] if off else []
    parcel = Shipping(code="parcel", name="Parcel", price=Money(shipping, "EUR")) if shipping else None
    return price(apply_discounts(basket, codes), shipping=parcel, rules=Rules(taxes=taxes))


def sum_of(amounts: Any, currency: str) -> int:
    return sum((amount for amount in amounts), Money.zero(currency)).minor


@settings(deadline=None, max_examples=200)
@given(drawn_baskets())
def test_its_sums_are_the_order_s(basket: Priced):
    receipt = receipt_of(basket)
    currency, total = receipt.total.currency, basket.total.minor

    assert sum_of((line.amount for line in receipt.lines), currency) == receipt.subtotal.minor
    assert receipt.subtotal.minor + sum_of((extra.amount for extra in receipt.extras), currency) == total
    assert receipt.net.minor + sum_of((line.tax for line in receipt.taxes), currency) == total
    taxed_twice = any(
        sum(bool(each.shares[line]) for each in basket.adjustments if each.kind == "tax") > 1
        for line in range(len(basket.items))
    )
    if not taxed_twice and not receipt.reversed_charge:
        nets = sum_of((line.net for line in receipt.taxes), currency) + receipt.untaxed.minor
        assert nets == receipt.net.minor


def test_tax_in_the_prices_is_shown_by_rate_with_what_it_is_on():
    taxes = (vat("19"), vat("7", tax_class="reduced"))
    receipt = receipt_of(priced(item(11900), item(10700, tax_class="reduced"), taxes=taxes, off="10"))

    assert receipt.taxes == (
        TaxLine(label="VAT", rate=Decimal(19), net=Money(9000, "EUR"), tax=Money(1710, "EUR")),
        TaxLine(label="VAT", rate=Decimal(7), net=Money(9000, "EUR"), tax=Money(630, "EUR")),
    )
    assert [(extra.label, extra.amount.minor) for extra in receipt.extras] == [("Summer", -2260)]
    assert (receipt.net.minor, receipt.untaxed.minor, receipt.total.minor) == (18000, 0, 20340)


def test_tax_on_top_of_the_prices_is_an_extra_too_and_shipping_bears_it():
    receipt = receipt_of(priced(item(10000), taxes=(vat("19", included=False),), shipping=1000))

    assert [(extra.label, extra.amount.minor) for extra in receipt.extras] == [("Parcel", 1000), ("VAT", 2090)]
    assert receipt.taxes == (TaxLine(label="VAT", rate=Decimal(19), net=Money(11000, "EUR"), tax=Money(2090, "EUR")),)


@pytest.mark.parametrize(("included", "total"), [(True, 10000), (False, 10000)])
def test_reverse_charge_shows_the_net_amount_no_tax_and_who_owes_it(included: bool, total: int):
    minor = 11900 if included else 10000
    taxes = (vat("19", included=included, reverse_charge=True),)
    receipt = receipt_of(priced(item(minor), taxes=taxes, vat_number="ATU12345678"), vat_number="ATU12345678")

    [line] = receipt.taxes
    assert (line.net.minor, line.tax.minor, line.reversed_charge) == (10000, 0, True)
    assert (receipt.net.minor, receipt.total.minor) == (total, total)
    assert REVERSE_CHARGE in write_sheet(receipt).notes
    assert [extra.amount.minor for extra in receipt.extras] == ([-1900] if included else [])


def test_what_no_tax_is_on_stands_beside_what_is_taxed():
    receipt = receipt_of(priced(item(11900), item(500, tax_class="reduced"), taxes=(vat("19"),)))

    assert receipt.untaxed == Money(500, "EUR")
    assert write_sheet(receipt).taxes == (("VAT 19\xa0%", "€100.00", "€19.00"), ("No tax", "€5.00", "€0.00"))


def test_what_went_back_is_shown_whichever_way_it_went():
    sheet = write_sheet(receipt_of(back={"refunded": 500, "settled": 40, "lost": 300}))

    assert [(each.label, each.amount) for each in sheet.paid] == [
        ("Paid", "€34.90"),
        ("Refunded", "-€5.00"),
        ("Paid back another way", "-€0.40"),
        ("Returned by your bank", "-€3.00"),
        ("Paid in the end", "€26.50"),
    ]


def test_order_that_cost_nothing_has_a_receipt_without_a_payment():
    free = priced(item(100), off="100")
    receipt = make_receipt(order=order_of(free), payment=None, seller=SELLER)

    assert (receipt.total.minor, receipt.paid.minor, receipt.kept.minor) == (0, 0, 0)


@pytest.mark.parametrize("status", ["PENDING", "AWAITING_PAYMENT", "CONFIRMING", "CANCELING", "CANCELED"])
def test_before_it_is_confirmed_there_is_none(status: str):
    with pytest.raises(ReceiptNotReady) as refused:
        receipt_of(status=OrderStatus(status), confirmed_at=None)

    assert refused.value.facts["order_status"] == status


def test_amounts_and_dates_are_written_as_the_customer_reads_them():
    sheet = write_sheet(receipt_of(locale="de-DE"))

    assert sheet.facts == (("Ordered on", "1. März 2026"), ("Confirmed on", "1. März 2026"))
    assert (sheet.lines[0].unit_price, sheet.sums[-1].amount) == ("12,50\xa0€", "34,90\xa0€")


def test_bill_and_parcel_are_shown_apart_where_they_go_apart():
    together = write_sheet(receipt_of(company="Engines", vat_number="DE123456789"))
    apart = write_sheet(receipt_of(company="Engines", billing_address=GREEK))

    assert [(each.heading, each.lines[:3]) for each in together.parties] == [
        ("Billed and delivered to", ("Engines", "VAT number DE123456789", "Ada Lovelace"))
    ]
    assert [(each.heading, each.lines[0]) for each in apart.parties] == [
        ("Billed to", "Engines"),
        ("Delivered to", "Ada Lovelace"),
    ]
    assert apart.parties[0].lines[-2:] == ("10431 Αθήνα", "Greece")


def test_of_an_erased_person_only_the_country_is_left():
    gone = Address("erased", "erased", "", "erased", "", "erased", "DE")
    sheet = write_sheet(receipt_of(erased=True, shipping_address=gone, email="erased@erased.invalid"))

    assert sheet.parties == (replace(sheet.parties[0], lines=(ERASED, "Germany")),)
    assert "erased" not in sheet.parties[0].lines
    assert sheet.sums[-1].amount == "€34.90"


def test_its_tag_tells_whatever_has_changed():
    tags = {
        write_sheet(each).tag
        for each in (
            receipt_of(),
            receipt_of(back={"refunded": 1}),
            receipt_of(locale="de-DE"),
            receipt_of(company="Engines"),
            replace(receipt_of(), seller=replace(SELLER, name="Cups")),
        )
    }

    assert len(tags) == 5
    assert write_sheet(receipt_of()).tag == write_sheet(receipt_of()).tag


def page_of(receipt: Receipt) -> str:
    return write_page(write_sheet(receipt)).decode()


def test_the_page_shows_what_it_is_given_as_text_and_runs_nothing():
    page = page_of(receipt_of(billing_address=replace(GREEK, name="<script>alert(1)</script>"), company="A & B"))

    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "A &amp; B" in page
    for forbidden in ("<script", " style=", "onload", "http://", "https://", "src="):
        assert forbidden not in page


def test_the_page_s_policy_lets_its_own_styles_in_and_nothing_else():
    page = page_of(receipt_of())
    [styles] = re.findall("<style>(.*?)</style>", page, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(styles.encode()).digest()).decode()
    assert policy().startswith(f"default-src 'none'; style-src 'sha256-{digest}';")
    assert "unsafe" not in policy()


def shown_in(document: bytes) -> bytes:
    """Return what a PDF of ours sets: ASCII stands in its streams as it is, other letters by numbers of their own."""
    streams = re.findall(rb"/ASCII85Decode /FlateDecode \].*?stream\r?\n(.*?)endstream", document, flags=re.DOTALL)
    return b"\n".join(zlib.decompress(base64.a85decode(each.strip().removesuffix(b"~>"))) for each in streams)


def test_the_document_shows_names_quantities_and_the_total():
    shown = shown_in(write_pdf(receipt_of(company="Analytical Engines")))

    for text in (b"Analytical Engines", b"Receipt 7K3M9QW2XZ", b"34.90", b"a product", b"page 1 of 1"):
        assert text in shown


def test_the_document_is_the_same_each_time_and_a_pdf():
    receipt = receipt_of(locale="de-DE", billing_address=GREEK)

    first = write_pdf(receipt)

    assert first == write_pdf(receipt)
    assert first.startswith(b"%PDF-1.")
    assert first.rstrip().endswith(b"%%EOF")
    assert b"/Title (Receipt 7K3M9QW2XZ)" in first


@pytest.mark.parametrize(
    "text",
    [
        "Łódź, Żaneta Kwiatkowska",
        "Παπαδόπουλος Γεώργιος",
        "Київ, Ґалаґан",
        "Nguyễn Đặng",
        "Şişli İğdir",
        "Ångström Ñandú",
        "नमस्ते",
        "12,50 € £ ₺ ₴ ₹ ₽",
    ],
)
def test_the_letters_of_names_in_many_languages_come_out_as_they_are(text: str):
    assert printable(text) == text


def test_a_letter_and_its_accent_are_one_where_the_font_has_that_letter():
    assert printable("A\u030angstro\u0308m") == "Ångström"


def test_letters_that_the_font_lacks_are_seen_to_be_missing_and_the_document_says_so():
    receipt = receipt_of(billing_address=replace(GREEK, name="田中"))

    sheet = sheet_for_pdf(receipt)

    assert sheet.parties[0].lines[0] == MISSING * 2
    assert sheet.notes[0] == SOME_MISSING
    assert write_pdf(receipt)
    assert SOME_MISSING not in sheet_for_pdf(receipt_of(billing_address=GREEK)).notes


@pytest.mark.parametrize(("locale", "total"), [("ar-EG", "€34.90"), ("ja-JP", "€34.90"), ("el-GR", "34,90\xa0€")])
def test_dates_and_amounts_are_in_letters_that_the_font_has(locale: str, total: str):
    sheet = sheet_for_pdf(receipt_of(locale=locale))

    assert sheet.sums[-1].amount == total
    assert MISSING not in repr(sheet)


@settings(deadline=None, max_examples=30)
@given(st.text(max_size=200), st.text(max_size=60), st.sampled_from(["", "he-IL", "fa-IR", "hi-IN", "th-TH", "bg-BG"]))
def test_whatever_stands_in_it_can_be_set(name: str, line1: str, locale: str):
    strange = replace(ADDRESS, name=name, line1=line1)
    receipt = receipt_of(billing_address=strange, company=name, locale=locale)

    assert write_page(write_sheet(receipt))
    assert write_pdf(receipt)


def test_long_orders_go_over_several_pages():
    order = order_of(lines=order_of().lines * 50)
    receipt = make_receipt(order=order, payment=None, seller=SELLER)

    assert len(re.findall(rb"/Type /Page\b", write_pdf(receipt))) > 3
