"""VAT identification numbers, by the format of their country; only a tax office can tell whether one was issued.

The formats of the EU are those of the European Commission's VIES (its FAQ, question 11), which has EL for Greece and XI for
Northern Ireland. Switzerland's, Norway's and the United Kingdom's are those of their tax offices.
"""

from __future__ import annotations

import re

FORMATS = {
    "AT": r"U\d{8}",
    "BE": r"[01]\d{9}",
    "BG": r"\d{9,10}",
    "CHE": r"\d{9}(?:MWST|TVA|IVA)?",
    "CY": r"\d{8}[A-Z]",
    "CZ": r"\d{8,10}",
    "DE": r"\d{9}",
    "DK": r"\d{8}",
    "EE": r"\d{9}",
    "EL": r"\d{9}",
    "ES": r"(?:[A-Z]\d{7}[A-Z0-9]|\d{8}[A-Z])",
    "FI": r"\d{8}",
    "FR": r"[A-HJ-NP-Z0-9]{2}\d{9}",
    "GB": r"(?:\d{9}|\d{12}|GD\d{3}|HA\d{3})",
    "HR": r"\d{11}",
    "HU": r"\d{8}",
    "IE": r"(?:\d{7}[A-W][A-I]?|\d[A-Z+*]\d{5}[A-W])",
    "IT": r"\d{11}",
    "LT": r"(?:\d{9}|\d{12})",
    "LU": r"\d{8}",
    "LV": r"\d{11}",
    "MT": r"\d{8}",
    "NL": r"[A-Z0-9+*]{9}B\d{2}",
    "NO": r"\d{9}(?:MVA)?",
    "PL": r"\d{10}",
    "PT": r"\d{9}",
    "RO": r"\d{2,10}",
    "SE": r"\d{12}",
    "SI": r"\d{8}",
    "SK": r"\d{10}",
    "XI": r"(?:\d{9}|\d{12}|GD\d{3}|HA\d{3})",
}
_PATTERNS = {prefix: re.compile(prefix + rest, re.ASCII) for prefix, rest in FORMATS.items()}
_SEPARATORS = re.compile(r"[ .\-/]")
# ISO 3166-1 has other letters for Greece than its tax office.
_GREECE = ("GR", "EL")


class NotAVatNumber(ValueError):
    """The text has not the format of any country's VAT number; `prefix` is the country's, "" where that is not known."""

    def __init__(self, prefix: str) -> None:
        super().__init__(f"not a VAT number of {prefix}" if prefix else "not the prefix of a country's VAT numbers")
        self.prefix = prefix


def clean_vat_number(text: str) -> str:
    """Return a VAT number in capitals without separators. Raises: NotAVatNumber."""
    number = _SEPARATORS.sub("", text).upper()
    if number.startswith(_GREECE[0]):
        number = _GREECE[1] + number[2:]
    prefix = next((known for known in (number[:3], number[:2]) if known in _PATTERNS), "")
    if not prefix or not _PATTERNS[prefix].fullmatch(number):
        raise NotAVatNumber(prefix)
    return number
