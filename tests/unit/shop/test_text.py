"""One line of text: what is kept, what is put right, and what is refused."""

import sys

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from shop.mail_address import clean_mail_address
from shop.text import NotOneLine, clean_line, is_clean

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
SCOTLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("\u5c71\u7530\u3000\u592a\u90ce", "\u5c71\u7530 \u592a\u90ce"),
        ("\u3000\u5c71\u7530 ", "\u5c71\u7530"),
        ("12\u00a0rue de la Paix", "12 rue de la Paix"),
        ("1\u202f000\u2009g", "1 000 g"),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"),
        ("\u0915\u094d\u200d\u0937", "\u0915\u094d\u200d\u0937"),
        (FAMILY, FAMILY),
        (SCOTLAND, SCOTLAND),
        ("Donau\u00addampf\u200bschiff\ufeff", "Donaudampfschiff"),
        ("\u05d0\u200f!", "\u05d0\u200f!"),
        ("\U0001fae9 mug", "\U0001fae9 mug"),
        ("\u0378", "\u0378"),
        ("", ""),
        (" \u200d\u3164\u00ad ", ""),
        ("\u200b", ""),
    ],
)
def test_a_line_is_kept_as_it_was_meant(written: str, kept: str):
    assert clean_line(written) == kept
    assert clean_line(kept) == kept


@pytest.mark.parametrize(
    "refused",
    ["\n", "\r\n", "\t", "\x00", "\x1b[2J", "\x7f", "\x85", "\u2028", "\u2029", "\u202a", "\u202e", "\u2066", "\u2069",
     "\ud800", "\ufdd0", "\uffff", "\U0001fffe", "\ufff9"],
)  # fmt: skip
def test_what_breaks_turns_or_controls_a_line_is_refused(refused: str):
    with pytest.raises(NotOneLine):
        clean_line(f"A{refused}B")


@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=20))
def test_what_is_clean_is_kept_as_it_is(text: str):
    try:
        kept = clean_line(text)
    except NotOneLine:
        assert not is_clean(text)
    else:
        assert clean_line(kept) == kept
        assert not is_clean(text) or kept == text


def test_no_character_of_a_kept_line_ends_it():
    for code in range(sys.maxunicode + 1):
        try:
            kept = clean_line(f"a{chr(code)}b")
        except NotOneLine:
            continue
        assert len(kept.splitlines()) == 1, hex(code)
        kept.encode()


@pytest.mark.parametrize(
    "address",
    ["ada@localhost", "ada@shop", "ada@[127.0.0.1]", "ada@sh\u202eop.example", "a\nb@shop.example", "", "ada",
     "ada@\ufdfa\ufdfa\ufdfa\ufdfa\ufdfa.example", "ada@" + "\u00fc" * 60 + ".example"],
)  # fmt: skip
def test_an_address_that_no_mail_reaches_is_refused(address: str):
    with pytest.raises(ValidationError):
        clean_mail_address(address)


def test_an_address_loses_the_spaces_around_it():
    assert clean_mail_address("\u3000ada@shop.example\u00a0") == "ada@shop.example"
