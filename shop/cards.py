"""Card numbers: recognized, so that none is taken, kept or repeated. They belong to the payment provider alone.

# Note [What counts as a card number]
13 to 19 digits that pass the check of ISO/IEC 7812-1 (Luhn), as every card number does, in one piece or in groups with
a space or a dash between them, wherever they stand. A UUID, a digest and the digits after a decimal point are none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from django.core.exceptions import ValidationError

SHORTEST, LONGEST = 13, 19
# A GTIN has 13 or 14 digits and passes the check one time in ten; a product's code of that length is taken for one.
SHORTEST_IN_A_PRODUCT_CODE = 15
PRODUCT_CODES = frozenset({"sku"})
_IDENTIFIER = re.compile(
    r"(?<![0-9A-Za-z])(?:[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
    r"|(?=[0-9]*[a-fA-F])[0-9a-fA-F]{24,})(?![0-9A-Za-z])"
)
_FIGURES = re.compile(r"(?<!\d)(?<!\d\.)\d(?:[ -]?\d){12,}")
_GROUP = re.compile(r"\d+")


def holds_card_number(text: str, *, shortest: int = SHORTEST) -> bool:
    """Say whether a card number of at least `shortest` digits stands in a text."""
    return next(_places(text, shortest), None) is not None


def refuse_card_number(text: str) -> None:
    """Validate a form's text: what it holds is kept and shown, so no card number may be in it. Raises: ValidationError."""
    if holds_card_number(text):
        raise ValidationError("This looks like a card number, which is never taken here.", code="card_number_refused")


def without_card_numbers(text: str, *, shortest: int = SHORTEST) -> str:
    """Return a text with [card] for each card number in it."""
    kept, end = [], 0
    for start, stop in _places(text, shortest):
        kept += [text[end:start], "[card]"]
        end = stop
    return "".join([*kept, text[end:]])


def card_pointers(body: Any) -> Iterator[str]:
    """Yield where in a JSON value card numbers stand, names of members too, as RFC 6901 URI fragments without them."""
    pending: list[tuple[str, Any, int]] = [("#", body, SHORTEST)]
    while pending:
        pointer, value, shortest = pending.pop()
        if isinstance(value, Mapping):
            for name, inner in value.items():
                step = without_card_numbers(str(name)).replace("~", "~0").replace("/", "~1")
                if holds_card_number(str(name)):
                    yield f"{pointer}/{step}"
                pending.append(
                    (f"{pointer}/{step}", inner, SHORTEST_IN_A_PRODUCT_CODE if name in PRODUCT_CODES else SHORTEST)
                )
        elif isinstance(value, (list, tuple)):
            pending += [(f"{pointer}/{index}", inner, shortest) for index, inner in enumerate(value)]
        elif not isinstance(value, (bool, type(None))) and holds_card_number(str(value), shortest=shortest):
            yield pointer


def _places(text: str, shortest: int) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of each card number, first come first: "4242424242424242 12/30" goes on after the card."""
    if not _FIGURES.search(text):
        return
    blanked = _IDENTIFIER.sub(lambda found: "x" * len(found[0]), text)
    for figures in _FIGURES.finditer(blanked):
        groups = [(figures.start() + each.start(), each[0]) for each in _GROUP.finditer(figures[0])]
        first = 0
        while first < len(groups):
            taken = _groups_of_a_card([digits for _start, digits in groups[first : first + LONGEST]], shortest)
            if taken:
                start, (last_start, last_digits) = groups[first][0], groups[first + taken - 1]
                yield start, last_start + len(last_digits)
            first += taken or 1


def _groups_of_a_card(groups: list[str], shortest: int) -> int:
    """Return how many of these groups, from the first on, make up a card number; 0 where none do."""
    digits = ""
    for count, group in enumerate(groups, start=1):
        digits += group
        if len(digits) > LONGEST:
            return 0
        if len(digits) >= shortest and _passes_luhn(digits):
            return count
    return 0


def _passes_luhn(digits: str) -> bool:
    total = 0
    for index, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (1 + index % 2)
        total += doubled - 9 if doubled > 9 else doubled  # noqa: PLR2004  the digits' sum
    return total % 10 == 0
