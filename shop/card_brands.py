"""Which numbers card issuers give out: the first digits and the lengths of each brand. What a text holds is `shop.cards`'s.

Sources: ISO/IEC 7812-1; Visa Core Rules; Mastercard Rules (51-55, 2221-2720); American Express, Discover, JCB, UnionPay and
Mir as their networks publish them. What begins with 1, 7, 0 (but for 0604) or with 20 to 2199 is nobody's card: timestamps.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

HEAD = 6
# Telephone numbers that Visa's old 13 digits would be taken for, written without "+": Austria, Sweden, Germany, and the
# United Kingdom and Slovakia with the zero that is dialed at home. Visa has withdrawn its numbers of 13 digits.
TELEPHONES_OF_13 = ("43", "46", "49", "440", "4210")

_SIXTEEN_ON = frozenset({16, 17, 18, 19})
BRANDS: tuple[tuple[str, str, frozenset[int]], ...] = (
    ("Visa", "4", frozenset({13, 16, 18, 19})),
    ("Mastercard", "51-55 2221-2720", frozenset({16})),
    ("American Express", "34 37", frozenset({15})),
    ("Discover", "6011 644-649 65 622126-622925", frozenset({16, 19})),
    ("Diners Club", "300-305 3095 36 38-39", _SIXTEEN_ON | {14}),
    ("JCB", "3528-3589", _SIXTEEN_ON),
    ("UnionPay", "62 81", _SIXTEEN_ON),
    ("Maestro", "5018 5020 5038 5893 6304 6759 6761-6763 0604", frozenset(range(13, 20))),
    # What Maestro, RuPay, Troy, Verve, Elo, Hipercard and others share. Timestamps of .NET begin so and have 18 digits.
    ("Maestro and national cards", "50 56-58 6", frozenset({16, 19})),
    ("Mir", "2200-2204", _SIXTEEN_ON),
    ("national cards", "353 356 508 82 8600 9112 9792 9860", frozenset({16})),
)


def is_issued(digits: str) -> bool:
    """Return whether a brand gives out numbers that begin like these digits and are as long."""
    if len(digits) == 13 and digits.startswith(TELEPHONES_OF_13):  # noqa: PLR2004  Visa's old length
        return False
    return len(digits) in _LENGTHS[bisect_right(_STARTS, int(digits[:HEAD])) - 1]


def ranges(prefixes: str) -> Iterator[tuple[int, int]]:
    """Yield the (first, last) six digits of each of these prefixes."""
    for prefix in prefixes.split():
        first, _, last = prefix.partition("-")
        yield int(first.ljust(HEAD, "0")), int((last or first).ljust(HEAD, "9"))


def _pieces() -> Iterator[tuple[int, frozenset[int]]]:
    """Yield where, going up through all six digits, the lengths that are given out change, and to which."""
    named = [(first, last, lengths) for _brand, prefixes, lengths in BRANDS for first, last in ranges(prefixes)]
    for start in sorted({0, *(first for first, _last, _ in named), *(last + 1 for _first, last, _ in named)}):
        yield start, frozenset().union(*(lengths for first, last, lengths in named if first <= start <= last))


_STARTS, _LENGTHS = zip(*_pieces(), strict=True)
