"""VAT numbers, telephone numbers, locales and texts of several lines: what is taken, and how it is kept."""

from __future__ import annotations

import pytest
from babel import Locale
from hypothesis import given
from hypothesis import strategies as st

from shop.cards import holds_card_number
from shop.locales import DEFAULT, babel_locale, find_locale
from shop.phones import NotAPhoneNumber, clean_phone_number
from shop.text import NotOneLine, clean_lines
from shop.vat_numbers import FORMATS, NotAVatNumber, clean_vat_number


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("DE123456789", "DE123456789"),
        ("de 123 456 789", "DE123456789"),
        ("ATU12345678", "ATU12345678"),
        ("BE 0123.456.789", "BE0123456789"),
        ("GR123456789", "EL123456789"),
        ("ES-B1234567-8", "ESB12345678"),
        ("FR XX 123456789", "FRXX123456789"),
        ("IE1234567FA", "IE1234567FA"),
        ("NL123456789B01", "NL123456789B01"),
        ("XI123456789", "XI123456789"),
        ("GB999 9999 73", "GB999999973"),
        ("CHE-123.456.788 MWST", "CHE123456788MWST"),
    ],
)
def test_vat_number_is_kept_in_capitals_without_separators(written: str, kept: str):
    assert clean_vat_number(written) == kept
    assert clean_vat_number(kept) == kept


@pytest.mark.parametrize(
    ("written", "prefix"),
    [
        ("123456789", ""),
        ("US123456789", ""),
        ("", ""),
        ("DE12345678", "DE"),
        ("DE1234567890", "DE"),
        ("DE12345678\u0669", "DE"),
        ("ATX12345678", "AT"),
        ("NL123456789", "NL"),
        ("IE1234567\n", "IE"),
    ],
)
def test_what_no_country_issues_is_refused_and_says_for_which(written: str, prefix: str):
    with pytest.raises(NotAVatNumber) as refused:
        clean_vat_number(written)

    assert refused.value.prefix == prefix


def test_every_country_of_the_eu_has_its_format():
    members = [
        "AT",
        "BE",
        "BG",
        "CY",
        "CZ",
        "DE",
        "DK",
        "EE",
        "EL",
        "ES",
        "FI",
        "FR",
        "HR",
        "HU",
        "IE",
        "IT",
        "LT",
        "LU",
        "LV",
        "MT",
        "NL",
        "PL",
        "PT",
        "RO",
        "SE",
        "SI",
        "SK",
    ]

    assert set(members) <= set(FORMATS)


@given(st.data())
def test_what_has_a_country_s_format_is_kept_as_it_is(data: st.DataObject):
    prefix = data.draw(st.sampled_from(sorted(FORMATS)))
    number = data.draw(st.from_regex(f"\\A{prefix}{FORMATS[prefix]}\\Z".replace("\\d", "[0-9]"), fullmatch=True))

    assert clean_vat_number(number) == number


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("+351 21 123 4567", "+351211234567"),
        ("00351 21 123-4567", "+351211234567"),
        ("+49 (0)30 123456", "+4930123456"),
        ("(030) 12 34 56", "030123456"),
        ("\uff0b81\u30003\u20111234\u20115678", "+81312345678"),
        ("07700 900123", "07700900123"),
        ("+1.212.555.0100", "+12125550100"),
    ],
)
def test_phone_number_is_kept_as_its_digits(written: str, kept: str):
    assert clean_phone_number(written) == kept
    assert clean_phone_number(kept) == kept


@pytest.mark.parametrize(
    "written",
    ["", "call me", "1234", "+0123456789", "+1234567890123456", "4242424242424242", "+49 30 12 ext 5", "++4930123456"],
)
def test_what_nobody_can_dial_is_refused(written: str):
    with pytest.raises(NotAPhoneNumber):
        clean_phone_number(written)


@given(st.from_regex(r"\A\+?[0-9 ]{5,20}\Z"))
def test_no_card_number_is_kept_as_a_phone_number(written: str):
    try:
        kept = clean_phone_number(written)
    except NotAPhoneNumber:
        return
    assert not holds_card_number(kept)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("de-DE", "de-DE"),
        ("DE-de", "de-DE"),
        ("zh-CN", "zh-Hans-CN"),
        ("es-419", "es-419"),
        ("en", "en"),
        ("sr-Latn", "sr-Latn"),
    ],
)
def test_locale_is_kept_as_its_tag_is_written(written: str, kept: str):
    assert find_locale(written) == kept
    assert find_locale(kept) == kept
    assert Locale.parse(babel_locale(kept))


@pytest.mark.parametrize(
    "written", ["", "xx", "en-XX", "klingon", "de_DE", "de-DE-1996", "../../etc", "en-US\n", "e", "de-DE-u-co-phonebk"]
)
def test_locale_that_nobody_knows_is_none(written: str):
    assert find_locale(written) is None


def test_without_a_locale_the_default_is_meant():
    assert babel_locale("") == babel_locale(DEFAULT) == "en_US"


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("Ring twice.\r\nThen wait.", "Ring twice.\nThen wait."),
        ("one\rtwo\n\nthree\n", "one\ntwo\n\nthree"),
        ("  a\u3000b  \n\u200b\n", "a b"),
        ("\n \n", ""),
    ],
)
def test_lines_are_each_kept_by_the_rule_for_one(written: str, kept: str):
    assert clean_lines(written) == kept
    assert clean_lines(kept) == kept


@pytest.mark.parametrize("written", ["a\nb\x00", "a\u2028b", "a\n\u202eb", "a\tb"])
def test_lines_with_controls_are_refused(written: str):
    with pytest.raises(NotOneLine):
        clean_lines(written)
