"""Card numbers: recognized, so that none is taken, kept or repeated. They belong to the payment provider alone.

# Note [What counts as a card number]
13 to 19 digits that begin and are as long as a brand's numbers (`shop.card_brands`) and pass the check of ISO/IEC 7812-1
(Luhn), wherever they stand: in one piece, or in groups as cards are printed and typed, with any one space, dash or
invisible character between them. A UUID, a digest, the digits after a decimal point and a telephone number are none.
`python -m tests.card_rates` prints how many real numbers are caught and how many ordinary ones are taken for one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from django.core.exceptions import ValidationError

from shop.card_brands import is_issued

SHORTEST, LONGEST = 13, 19
# A GTIN has 13 or 14 digits and passes the check one time in ten; a product's code of that length is taken for one.
SHORTEST_IN_A_PRODUCT_CODE = 15
PRODUCT_CODES = frozenset({"sku"})
_IDENTIFIER = re.compile(
    r"(?<![0-9A-Za-z])(?:[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
    r"|(?=[0-9]*[a-fA-F])[0-9a-fA-F]{24,})(?![0-9A-Za-z])"
)
# What may stand between two digits of one number: a space or dash of any kind, or what cannot be seen.
SEPARATOR = "[ \\-\u00a0\u1680\u2000-\u200d\u202f\u205f\u2060\u3000\ufeff\u00ad\u2010-\u2015\u2212]"
_FIGURES = re.compile(rf"(?<!\d)(?<!\d\.)\d(?:{SEPARATOR}?\d){{12,}}")
_GROUP = re.compile(r"\d+")
# Groups of one size are looked at apart; of 8 digits they are two telephone numbers.
_PRINTED = frozenset({(4, 6, 5), (4, 6, 4), (4, 4, 5), (4, 3, 3, 3), (6, 13)})
LARGEST_EQUAL_GROUP = 5
MAX_TELEPHONE = 15  # digits, by ITU-T E.164


def holds_card_number(text: str, *, shortest: int = SHORTEST) -> bool:
    """Return whether a card number of at least `shortest` digits stands in a text."""
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
        if _is_telephone(blanked, figures.start(), groups):
            continue
        first = 0
        while first < len(groups):
            taken = _groups_of_a_card([digits for _start, digits in groups[first : first + LONGEST]], shortest)
            if taken:
                start, (last_start, last_digits) = groups[first][0], groups[first + taken - 1]
                yield start, last_start + len(last_digits)
            first += taken or 1


def _is_telephone(text: str, start: int, groups: list[tuple[int, str]]) -> bool:
    """Return whether these figures are written as an international telephone number: after "+", or from "00" on."""
    length = sum(len(digits) for _start, digits in groups[: MAX_TELEPHONE + 3])
    if groups[0][1].startswith("00"):
        return length <= MAX_TELEPHONE + 2
    return length <= MAX_TELEPHONE and text[max(0, start - 2) : start].strip()[-1:] in {"+", "\uff0b"}


def _groups_of_a_card(groups: list[str], shortest: int) -> int:
    """Return how many of these groups, from the first on, make up a card number; 0 where none do."""
    digits = ""
    for count, group in enumerate(groups, start=1):
        digits += group
        if len(digits) > LONGEST:
            return 0
        if len(digits) >= shortest and _is_card_number(digits, groups[:count]):
            return count
    return 0


def _is_card_number(digits: str, groups: list[str]) -> bool:
    return is_issued(digits) and _is_grouped_as_cards_are(groups) and _passes_luhn(digits)


def _is_grouped_as_cards_are(groups: list[str]) -> bool:
    if len(groups) == 1:
        return True
    sizes = tuple(map(len, groups))
    equal = len(set(sizes[:-1])) == 1 and sizes[-1] <= sizes[0] <= LARGEST_EQUAL_GROUP
    return equal or sizes in _PRINTED


def _passes_luhn(digits: str) -> bool:
    total = 0
    for index, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (1 + index % 2)
        total += doubled - 9 if doubled > 9 else doubled  # noqa: PLR2004  the digits' sum
    return total % 10 == 0
