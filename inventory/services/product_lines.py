"""The lines of a CSV of products: what each says of which product, or what is wrong with it. Pure, and writes nothing.

A column that is not there leaves a product as it is. An empty cell empties what may be empty.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils.dateparse import parse_date, parse_datetime
from django.utils.timezone import make_aware

from inventory import rules
from inventory.catalogue import Details, InvalidProduct, read_images, read_options
from shop.money import Money, is_currency

# What a column says, by its name; `sku` says of which product.
_TEXTS = ("description", "category", "group", "tax_class")
COLUMNS = (
    "sku", "name", "price", "currency", "active", "description", "images", "category", "group", "options",
    "weight_grams", "tax_class", "active_from", "active_to", "receive",
)  # fmt: skip
NEEDED_OF_NEW = ("name", "price", "currency")
# As in the admin: a comma before three digits may be either kind of separator.
_AMOUNT = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,4}|,[0-9]{1,2})?", re.ASCII)
_WHOLE = re.compile(r"[0-9]{1,12}", re.ASCII)
_YES_NO = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class UnreadableFile(ValueError):
    """The file as a whole cannot be read as a CSV of products."""


@dataclass(frozen=True)
class Line:
    """A record of the file: the line it begins in, and its cells by column."""

    number: int
    cells: Mapping[str, str]

    @property
    def sku(self) -> str:
        """Which product it is about."""
        return self.cells["sku"]


@dataclass(frozen=True)
class LineError:
    """What is wrong with a line."""

    number: int
    detail: str

    def __str__(self) -> str:
        return f"line {self.number}: {self.detail}"


@dataclass(frozen=True)
class Known:
    """What a product is now, before its line."""

    name: str
    price: Money
    active: bool
    details: Details


@dataclass(frozen=True)
class Wanted:
    """What a product is to be, and how many units of it arrived."""

    name: str
    price: Money
    active: bool
    details: Details
    receive: int


def read_lines(rows: Iterable[str], *, delimiter: str = ",") -> tuple[list[Line], list[LineError]]:
    """Return the lines of a CSV that are about one product each, and what is wrong with the others.

    Raises: UnreadableFile where the header is not one of products, or what follows is not a CSV at all.
    """
    reader = csv.reader(rows, delimiter=delimiter, strict=True)
    lines: list[Line] = []
    errors: list[LineError] = []
    first: dict[str, int] = {}
    columns: list[str] | None = None
    for number, cells in _records(reader):
        if columns is None:
            columns = _checked_header(cells)
        elif len(cells) != len(columns):
            errors.append(LineError(number, f"it has {len(cells)} cells and the header has {len(columns)}"))
        else:
            line = Line(number, dict(zip(columns, cells, strict=True)))
            if not rules.is_sku(line.sku):
                errors.append(LineError(number, f"sku: {line.sku[:80]!r} is not a SKU"))
            elif line.sku in first:
                errors.append(LineError(number, f"sku: {line.sku} is on line {first[line.sku]} already"))
            else:
                first[line.sku] = number
                lines.append(line)
    if columns is None:
        raise UnreadableFile("the file is empty")
    return lines, errors


def _records(reader: Any) -> Iterator[tuple[int, list[str]]]:
    """Yield each record that is not blank, with the line it begins in: a cell may hold line breaks."""
    while True:
        number = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise UnreadableFile(f"line {number}: this is not CSV: {error}") from error
        except UnicodeDecodeError as error:
            raise UnreadableFile(f"after line {reader.line_num}: the file is not in UTF-8; save it as such") from error
        if any(cell.strip() for cell in cells):
            yield number, [cell.strip() for cell in cells]


def _checked_header(cells: list[str]) -> list[str]:
    columns = [cell.lower() for cell in cells]
    if unknown := [column for column in columns if column not in COLUMNS]:
        raise UnreadableFile(f"unknown columns: {', '.join(map(repr, unknown))}; known are {', '.join(COLUMNS)}")
    if twice := sorted({column for column in columns if columns.count(column) > 1}):
        raise UnreadableFile(f"columns that appear twice: {', '.join(twice)}")
    if "sku" not in columns:
        raise UnreadableFile("there is no column sku in the first line")
    return columns


def wanted_by(line: Line, known: Known | None) -> Wanted:
    """Return what a line makes of its product; `known` is None where it makes a new one. Raises: InvalidProduct(field)."""
    cells = line.cells
    if known is None and (missing := [column for column in NEEDED_OF_NEW if not cells.get(column)]):
        raise InvalidProduct(f"a new product needs {' and '.join(missing)}", field=missing[0])
    return Wanted(
        name=cells["name"] if known is None else cells.get("name", known.name),
        price=_price(cells, known),
        active=_read(cells, "active", _yes_or_no, known.active if known else True),
        details=_details(cells, known.details if known else Details()),
        receive=_read(cells, "receive", _units, 0),
    )


def _price(cells: Mapping[str, str], known: Known | None) -> Money:
    currency = cells.get("currency", known.price.currency if known else "").upper()
    if not is_currency(currency):
        raise InvalidProduct(f"{currency!r} is not an ISO 4217 code", field="currency")
    if "price" in cells:
        return _money(cells["price"], currency)
    if known is None or currency != known.price.currency:
        raise InvalidProduct("another currency needs a price in it", field="price")
    return known.price


def _money(text: str, currency: str) -> Money:
    if not _AMOUNT.fullmatch(text):
        raise InvalidProduct(f"{text[:40]!r} is not an amount like 1250 or 1250.50", field="price")
    _whole, _point, written = text.replace(",", ".").partition(".")
    decimals = Money.zero(currency).decimals
    # Zeros count: 1.250 is 1250 to many people, and would be 1.25.
    if len(written) > decimals:
        raise InvalidProduct(f"{text} has too many decimals for {currency}", field="price")
    return Money(int(Decimal(text.replace(",", ".")).scaleb(decimals)), currency)


def _details(cells: Mapping[str, str], known: Details) -> Details:
    return replace(
        known,
        **{column: cells[column] for column in _TEXTS if column in cells},
        images=_read(cells, "images", read_images, known.images),
        options=_read(cells, "options", read_options, known.options),
        weight_grams=_read(cells, "weight_grams", _whole_or_zero, known.weight_grams),
        active_from=_read(cells, "active_from", _moment, known.active_from),
        active_to=_read(cells, "active_to", _moment, known.active_to),
    )


def _read(cells: Mapping[str, str], column: str, read: Callable[[str], Any], otherwise: Any) -> Any:
    """Return what a column says, `otherwise` where it is not there. Raises: InvalidProduct(field)."""
    if column not in cells:
        return otherwise
    try:
        return read(cells[column])
    except ValueError as error:
        raise InvalidProduct(str(error), field=column) from error


def _yes_or_no(text: str) -> bool:
    if text.lower() not in _YES_NO:
        raise ValueError(f"{text[:40]!r} is neither true nor false")
    return _YES_NO[text.lower()]


def _whole_or_zero(text: str) -> int:
    if text and not _WHOLE.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is not a whole number")
    return int(text or 0)


def _units(text: str) -> int:
    units = _whole_or_zero(text)
    if units > rules.MAX_QUANTITY:
        raise ValueError(f"more than {rules.MAX_QUANTITY} are not received at once")
    return units


def _moment(text: str) -> datetime | None:
    """Return a moment of ISO 8601; without a zone it is of the shop's TIME_ZONE, a date alone is its first moment."""
    if not text:
        return None
    wrong = f"{text[:40]!r} is not a moment like 2026-12-01 or 2026-12-01T08:00:00+01:00"
    try:
        moment = parse_datetime(text)
        if moment is None:
            day = parse_date(text)
            moment = datetime(day.year, day.month, day.day) if day else None  # noqa: DTZ001  its zone comes below
    except ValueError as error:
        raise ValueError(wrong) from error
    if moment is None:
        raise ValueError(wrong)
    return moment if moment.tzinfo else make_aware(moment)
