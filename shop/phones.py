"""Telephone numbers, as loosely as people write them: what has the length of a number (ITU-T E.164) is one.

No rule can tell whether anybody answers there.
"""

from __future__ import annotations

import re
import unicodedata

# Between the digits people write spaces, dashes, dots, slashes and brackets; "(0)" is only dialed within the country.
_WITHIN = re.compile(r"\(0\)")
_SEPARATORS = re.compile(r"[ .\-/()\u2010-\u2015]")
# With the country's code at most 15 digits. Without it fewer; so that a card number is never one.
_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}|[0-9]{5,12}", re.ASCII)


class NotAPhoneNumber(ValueError):
    """The text is not a telephone number."""


def clean_phone_number(text: str) -> str:
    """Return a telephone number as digits, after a "+" where it has its country's code. Raises: NotAPhoneNumber."""
    number = unicodedata.normalize("NFKC", text).strip()
    if number.startswith(("+", "00")):
        number = _WITHIN.sub("", number)
    number = _SEPARATORS.sub("", number)
    if number.startswith("00"):
        number = "+" + number[2:]
    if not _NUMBER.fullmatch(number):
        raise NotAPhoneNumber("a telephone number is expected, such as +351 21 123 4567")
    return number
