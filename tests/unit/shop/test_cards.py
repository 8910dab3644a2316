"""What counts as a card number, and what only looks like one."""

import pytest

from shop.cards import card_pointers, holds_card_number, without_card_numbers
from tests.card_rates import ORDINARY, missed, rate, report

CARD = "4242424242424242"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (CARD, "[card]"),
        ("4242 4242 4242 4242 12/30 123", "[card] 12/30 123"),
        ("4242-4242-4242-4242", "[card]"),
        ("12 4242 4242 4242 4242", "12 [card]"),
        (f"Ada{CARD}x and order-{CARD}", "Ada[card]x and order-[card]"),
        (f"pm_{CARD}", "pm_[card]"),
        (f"{CARD}@shop.example", "[card]@shop.example"),
        ("4222222222222 30569309025904 378282246310005 6304000000000000000", "[card] [card] [card] [card]"),
        ("\uff14\uff12" * 8, "[card]"),
        ("4242\u00a04242\u00a04242\u00a04242", "[card]"),
        ("4242\u30004242\u20114242\u20134242", "[card]"),
        ("4242\u200d4242\u00ad4242\ufeff4242", "[card]"),
        ("4 2 4 2 4 2 4 2 4 2 4 2 4 2 4 2", "[card]"),
        ("3782 822463 10005", "[card]"),
        ("Tel. +49 1512 3456789, card 4242 4242 4242 4242", "Tel. +49 1512 3456789, card [card]"),
    ],
)
def test_a_card_number_is_found_wherever_it_stands(text: str, clean: str):
    assert holds_card_number(text)
    assert without_card_numbers(text) == clean


@pytest.mark.parametrize(
    "text",
    [
        "",
        "4242424242424241",
        "424242424242",
        "4242" * 5,
        "0.4242424242424242",
        "12345678-1234-4123-8123-424242424242",
        f"{CARD}{CARD[:15]}a",
        "2026-11-25 02:18:28.123456",
        "4242  4242  4242  4242",
        "+49 1512 345678 06",
        "0049 1512 345678 06",
        "+4222222222222",
        "\uff0b 4222 2222 2222 2",
        "4915123456787",
        "order-4711-1732867200004",
        "1732867200004",
        "1732867200000003",
        "20261129150732",
        "Packstation 145 4012345678",
    ],
)
def test_what_is_no_card_number_is_left_alone(text: str):
    assert not holds_card_number(text)
    assert without_card_numbers(text) == text


def test_pointers_name_the_places_without_the_numbers():
    body = {"a": [{"b": CARD, "sku": "4222222222222"}, True, None, 7], CARD: int(CARD), "sku": CARD, "c/d": {"~": CARD}}

    assert sorted(card_pointers(body)) == ["#/[card]", "#/[card]", "#/a/0/b", "#/c~1d/~0", "#/sku"]


def test_a_text_of_thousands_of_groups_takes_no_time():
    assert not holds_card_number("1 " * 32_000)


@pytest.mark.parametrize("family", ORDINARY)
def test_no_ordinary_number_is_taken_for_a_card(family: str):
    assert rate(ORDINARY[family], 100_000) == (0, "")


def test_every_real_number_is_caught_however_it_is_written():
    assert missed(30_000) == []


def test_the_report_says_both_rates():
    told = report(1_000)

    assert told.startswith("real numbers caught                    1000 of 1000")
    assert [line for line in told.splitlines() if line.startswith("timestamp") and " 0 of 1000" in line]
