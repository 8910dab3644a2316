"""What counts as a card number, and what only looks like one."""

import pytest

from shop.cards import card_pointers, holds_card_number, without_card_numbers

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
