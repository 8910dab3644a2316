"""What the lines of a CSV say of products, without a database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from inventory.catalogue import (
    Details,
    Image,
    InvalidProduct,
    read_images,
    read_options,
    write_images,
    write_options,
)
from inventory.services.product_lines import Known, Line, UnreadableFile, read_lines, wanted_by
from shop.money import Money

KNOWN = Known(
    "Mug",
    Money(1250, "EUR"),
    active=True,
    details=Details(description="Holds tea.", weight_grams=350, category="Kitchen"),
)


def lines(text: str, **options: Any) -> tuple[list[tuple[int, dict[str, str]]], list[str]]:
    found, errors = read_lines(text.splitlines(keepends=True), **options)
    return [(line.number, dict(line.cells)) for line in found], [str(error) for error in errors]


def wanted(known: Known | None = KNOWN, /, **cells: str) -> Any:
    return wanted_by(Line(2, {"sku": "MUG", **cells}), known)


def test_lines_are_numbered_as_an_editor_shows_them():
    found, errors = lines(
        'SKU, Name\nMUG,"A mug\nof two lines"\n\n,,\nCUP, Cup \nbad sku,Cup\nCUP,Again\nPAN\nPOT,Pot,more\n',
        delimiter=",",
    )

    assert found == [(2, {"sku": "MUG", "name": "A mug\nof two lines"}), (6, {"sku": "CUP", "name": "Cup"})]
    assert errors == [
        "line 7: sku: 'bad sku' is not a SKU",
        "line 8: sku: CUP is on line 6 already",
        "line 9: it has 1 cells and the header has 2",
        "line 10: it has 3 cells and the header has 2",
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the file is empty"),
        ("\n\n", "the file is empty"),
        ("name,price\n", "no column sku"),
        ("sku,colour\n", "unknown columns: 'colour'"),
        ("sku,name,SKU\n", "columns that appear twice: sku"),
        ("sku;name\nMUG;Mug\n", "unknown columns: 'sku;name'"),
        ('sku,name\nMUG,"Mug" oops\n', "line 2: this is not CSV"),
        ('sku,name\nMUG,Mug\nCUP,"Cup\nPAN,Pan\n', "line 3: this is not CSV"),
    ],
)
def test_a_file_that_is_not_a_csv_of_products_is_refused_whole(text: str, says: str):
    with pytest.raises(UnreadableFile, match=says):
        lines(text)


def test_a_file_that_is_not_in_utf_8_is_refused_with_the_line_before():
    def rows() -> Iterator[str]:
        yield "sku,name\n"
        b"CUP,Caf\xe9\n".decode()

    with pytest.raises(UnreadableFile, match="after line 1: the file is not in UTF-8"):
        read_lines(rows())


def test_another_delimiter_is_read():
    assert lines("sku;price\nMUG;12,50\n", delimiter=";")[0] == [(2, {"sku": "MUG", "price": "12,50"})]


def test_a_column_that_is_not_there_leaves_the_product_as_it_is():
    assert wanted() == wanted(name="Mug", price="12.50", currency="eur", active="yes", description="Holds tea.")
    assert wanted(category="").details == Details(description="Holds tea.", weight_grams=350)


@pytest.mark.parametrize(
    ("cells", "price"),
    [
        ({"price": "9"}, Money(900, "EUR")),
        ({"price": "9,5"}, Money(950, "EUR")),
        ({"price": "900", "currency": "jpy"}, Money(900, "JPY")),
        ({"price": "1.234", "currency": "KWD"}, Money(1234, "KWD")),
        ({"currency": "EUR"}, Money(1250, "EUR")),
    ],
)
def test_prices_are_read_as_people_write_them(cells: dict[str, str], price: Money):
    assert wanted(**cells).price == price


@pytest.mark.parametrize(
    ("cells", "member"),
    [
        ({"price": ""}, "price"),
        ({"price": "-1"}, "price"),
        ({"price": "1.250,00"}, "price"),
        ({"price": "1,250"}, "price"),
        ({"price": "9.999"}, "price"),
        # Where a point stands between thousands, this is 1250, and not 1.25.
        ({"price": "1.250"}, "price"),
        ({"price": "1.000", "currency": "JPY"}, "price"),
        ({"price": "9.5", "currency": "JPY"}, "price"),
        ({"price": "1e3"}, "price"),
        ({"price": "\u0661\u0662"}, "price"),
        ({"currency": "JPY"}, "price"),
        ({"currency": "EURO", "price": "1"}, "currency"),
        ({"active": "maybe"}, "active"),
        ({"active": ""}, "active"),
        ({"weight_grams": "1.5"}, "weight_grams"),
        ({"weight_grams": "-1"}, "weight_grams"),
        ({"receive": "1000001"}, "receive"),
        ({"receive": "-5"}, "receive"),
        ({"options": "size"}, "options"),
        ({"options": "size=M|size=L"}, "options"),
        ({"active_from": "tomorrow"}, "active_from"),
        ({"active_from": "2026-13-01"}, "active_from"),
        ({"active_to": "2026-02-30T00:00:00Z"}, "active_to"),
    ],
)
def test_a_cell_that_cannot_be_read_is_refused_with_its_column(cells: dict[str, str], member: str):
    with pytest.raises(InvalidProduct) as refusal:
        wanted(**cells)

    assert refusal.value.field == member


@pytest.mark.parametrize(
    ("cells", "missing"),
    [
        ({}, "name and price and currency"),
        ({"name": "Mug", "price": "1", "currency": ""}, "currency"),
        ({"price": "1", "currency": "EUR"}, "name"),
    ],
)
def test_a_new_product_needs_name_and_price(cells: dict[str, str], missing: str):
    with pytest.raises(InvalidProduct, match=f"a new product needs {missing}$"):
        wanted(None, **cells)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("", None),
        ("2026-12-01", datetime(2026, 12, 1, tzinfo=UTC)),
        ("2026-12-01T08:30", datetime(2026, 12, 1, 8, 30, tzinfo=UTC)),
        ("2026-12-01T08:30:00+02:00", datetime(2026, 12, 1, 8, 30, tzinfo=timezone(timedelta(hours=2)))),
    ],
)
def test_moments_without_a_zone_are_of_the_shop(text: str, moment: datetime | None, settings: Any):
    settings.TIME_ZONE = "UTC"

    assert wanted(active_from=text).details.active_from == moment


def test_pictures_and_options_are_written_as_they_are_read():
    images = (Image("/static/mug.svg", "A blue mug"), Image("https://cdn.example/m.png", "Its handle"))
    options = {"size": "M", "color": "light blue"}

    assert (
        read_images(write_images(images))
        == read_images("/static/mug.svg A blue mug | https://cdn.example/m.png  Its handle")
        == images
    )
    assert read_options(write_options(options)) == read_options("size = M | color=light blue|") == options
    assert (read_images(" "), read_options("")) == ((), {})
