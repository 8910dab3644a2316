"""How many real card numbers are caught, and how many ordinary numbers are taken for one.

`python -m tests.card_rates 1000000` prints the rates over so many numbers of each family.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from shop.card_brands import BRANDS, TELEPHONES_OF_13, ranges
from shop.cards import holds_card_number

# Country code -> how many digits follow it, least and most: what libphonenumber's metadata and ITU-T E.164 give for mobile
# and geographic numbers, of which those up to 15 digits in all.
NATIONAL = {
    "1": (10, 10), "7": (10, 10), "20": (8, 10), "27": (9, 9), "30": (10, 10), "31": (9, 9), "32": (8, 9), "33": (9, 9),
    "34": (9, 9), "36": (8, 9), "39": (6, 11), "40": (9, 9), "41": (9, 9), "43": (4, 13), "44": (9, 10), "45": (8, 8),
    "46": (7, 10), "47": (8, 8), "48": (9, 9), "49": (5, 13), "51": (8, 9), "52": (10, 11), "54": (10, 11), "55": (10, 11),
    "56": (9, 9), "57": (10, 10), "58": (10, 10), "60": (8, 10), "61": (9, 9), "62": (7, 13), "63": (8, 10), "64": (8, 10),
    "65": (8, 11), "66": (8, 9), "81": (9, 10), "82": (8, 11), "84": (9, 10), "86": (10, 11), "90": (10, 10),
    "91": (10, 10), "92": (9, 10), "94": (9, 9), "98": (10, 10), "212": (9, 9), "234": (8, 10), "254": (9, 9),
    "351": (9, 9), "352": (6, 11), "353": (7, 10), "354": (7, 9), "358": (6, 12), "359": (8, 9), "370": (8, 8),
    "371": (8, 8), "372": (7, 8), "375": (9, 9), "376": (6, 9), "377": (8, 9), "378": (6, 10), "380": (9, 9),
    "381": (8, 10), "385": (8, 9), "386": (8, 8), "387": (8, 9), "389": (8, 8), "420": (9, 9), "421": (9, 9),
    "423": (7, 9), "501": (7, 7), "502": (8, 8), "503": (8, 8), "506": (8, 8), "593": (8, 9), "595": (9, 9),
    "598": (8, 8), "675": (8, 8), "852": (8, 8), "880": (8, 10), "886": (8, 9), "966": (9, 9), "971": (8, 9),
    "972": (8, 9),
}  # fmt: skip
# Where the zero that is dialed at home is often left standing behind the country code.
TRUNK_ZERO = ("27", "31", "32", "33", "40", "41", "43", "44", "46", "49", "61", "63", "353", "421")


def digits(dice: random.Random, count: int) -> str:
    return "".join(dice.choices("0123456789", k=count))


def grouped(dice: random.Random, number: str, *, separators: str = " -") -> str:
    """Write a number in groups of 2 to 5 digits, as people write telephone numbers."""
    pieces, separator = [], dice.choice(separators)
    while number:
        size = dice.randint(2, 5)
        pieces.append(number[:size])
        number = number[size:]
    return separator.join(pieces)


def telephone(dice: random.Random) -> str:
    """Write a telephone number with its country code, in one of the usual ways."""
    code = dice.choice(list(NATIONAL))
    national = str(dice.randint(1, 9)) + digits(dice, dice.randint(*NATIONAL[code]) - 1)
    if code in TRUNK_ZERO and dice.random() < 0.2 and len(code + national) < 15:
        national = f"0{national}"
    way = dice.randrange(5)
    if way == 0:
        return f"{code}{national}"
    start = ("+", "00", "+ ", "(+")[way - 1]
    return f"{start}{code} {grouped(dice, national)}" if dice.random() < 0.7 else f"{start}{code}{national}"


def timestamp(dice: random.Random) -> str:
    """Write a moment of 2000 to 2038 as keys and ids hold it: in late 2039 microseconds begin as Mir's cards do."""
    at = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=dice.uniform(0, 39 * 31_556_952))
    seconds = at.timestamp()
    written = (
        str(int(seconds * 1e3)),
        str(int(seconds * 1e6)),
        str(int(seconds * 1e9)),
        at.strftime("%Y%m%d%H%M%S"),
        at.strftime("%Y%m%d%H%M%S%f")[:17],
        at.strftime("%Y%m%d-%H%M%S-%f"),
        at.strftime("%Y-%m-%d %H-%M-%S"),
        at.isoformat(),
        at.strftime("%d-%m-%Y-%H-%M-%S"),
        str(621_355_968_000_000_000 + int(seconds * 1e7)),  # .NET's ticks
    )
    before, after = (
        dice.choice(("", "order-", "cart_", f"{dice.randint(1, 9999)}-")),
        dice.choice(("", "-1", "x", "_7")),
    )
    return f"{before}{dice.choice(written)}{after}"


def parcel_station(dice: random.Random) -> str:
    """Write an address line of a parcel station or a post office, with the customer's number."""
    station, customer = dice.randint(101, 999), digits(dice, dice.randint(6, 10))
    code = digits(dice, 5)
    return dice.choice(
        (
            f"Packstation {station} {customer}",
            f"Packstation {station}, {customer}, {code}",
            f"{customer} Packstation {station}",
            f"Postnummer {customer} {station} {code}",
            f"{customer} {station}",
            f"{station} {customer}",
            f"{station}-{customer}-{code}",
            f"{customer}-{station}-{code}",
            f"Postfiliale {station}/{customer}",
            f"Paczkomat {digits(dice, 3)} {digits(dice, 9)}",
        )
    )


def any_number(length: int) -> Callable[[random.Random], str]:
    return lambda dice: digits(dice, length)


ORDINARY: dict[str, Callable[[random.Random], str]] = {
    "telephone with country code": telephone,
    "timestamp": timestamp,
    "parcel station": parcel_station,
}
ANYTHING = {f"any {length} digits": any_number(length) for length in range(13, 20)}


def luhn(beginning: str) -> str:
    """Return the number that begins so, with its check digit."""
    total = 0
    for index, digit in enumerate(reversed(beginning)):
        doubled = int(digit) * (2 - index % 2)
        total += doubled - 9 if doubled > 9 else doubled
    return f"{beginning}{-total % 10}"


def card(dice: random.Random) -> str:
    """Return a number of any brand, in pieces as it is printed or typed, alone or within a text."""
    _brand, prefixes, lengths = dice.choice(BRANDS)
    first, last = dice.choice(list(ranges(prefixes)))
    length = dice.choice(sorted(lengths))
    number = luhn(str(dice.randint(first, last)).zfill(6) + digits(dice, length - 7))
    if length == 13 and number.startswith(TELEPHONES_OF_13):
        return card(dice)
    separator = dice.choice((" ", "-", "\u00a0", "\u2011"))
    ways = [number, separator.join(number[at : at + 4] for at in range(0, length, 4))]
    if length in (14, 15):
        ways.append(separator.join((number[:4], number[4:10], number[10:])))
    if length == 19:
        ways.append(separator.join((number[:6], number[6:])))
    return dice.choice(("{}", "pm_{}", "card {} 12/30", "Ada{}x", "a-{}-b")).format(dice.choice(ways))


def rate(make: Callable[[random.Random], str], count: int) -> tuple[int, str]:
    """Return how many of so many texts are taken for a card number, and the last one that was or was not."""
    dice, found, example = random.Random(20261129), 0, ""
    for _number in range(count):
        text = make(dice)
        if holds_card_number(text):
            found, example = found + 1, text
    return found, example


def missed(count: int) -> list[str]:
    """Return the real numbers of so many that are not caught."""
    dice = random.Random(20261129)
    return [text for text in (card(dice) for _number in range(count)) if not holds_card_number(text)]


def report(count: int) -> str:
    lines = [f"{'real numbers caught':34}{count - len(missed(count)):>9} of {count}"]
    for name, make in {**ORDINARY, **ANYTHING}.items():
        found, example = rate(make, count)
        lines.append(f"{name:34}{found:>9} of {count} taken for a card ({found / count:.5%}) {example!r}")
    return "\n".join(lines)


if __name__ == "__main__":
    print(report(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000))  # noqa: T201  a command
