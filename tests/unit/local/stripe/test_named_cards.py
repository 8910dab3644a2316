"""The test cards that docs, the storefront and `make run` name are cards of the sandbox, one of them with 3-D Secure."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from local.stripe.cards import find_card

ROOT = Path(__file__).resolve().parents[4]
NAMING_3DS = [
    "docs/sandbox.md",
    "docs/how-to/first-order.md",
    "shop/storefront/static/storefront/cards.js",
    "local/run.py",
]


@pytest.mark.parametrize("path", [*NAMING_3DS, "docs/how-to/storefront.md"])
def test_a_card_that_is_named_is_known(path: str):
    for token in re.findall(r"\bpm_card_\w+", (ROOT / path).read_text()):
        assert find_card(token=token) is not None, token


@pytest.mark.parametrize("path", NAMING_3DS)
def test_a_card_that_asks_for_approval_is_named(path: str):
    text = (ROOT / path).read_text()

    assert "3-D Secure" in text
    assert any(
        card and card.challenge for card in (find_card(token=each) for each in re.findall(r"\bpm_card_\w+", text))
    )
