"""Decisions about shipments: which statuses there are, where each may lead, what a tracking number looks like."""

from __future__ import annotations

from enum import StrEnum

from shop.text import NotOneLine, clean_line

TRACKING_NUMBER_LENGTH = 64
CARRIER_NAME_LENGTH = 40
OPTION_CODE_LENGTH = 40
OPTION_CODE_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,39}$"


class Stage(StrEnum):
    """How far a carrier says a parcel is."""

    BOOKED = "BOOKED"
    DISPATCHED = "DISPATCHED"
    DELIVERED = "DELIVERED"


def clean_tracking_number(text: str) -> str:
    """Return the number as carriers print it, without blanks around or inside; "" where nothing usable is left."""
    try:
        number = clean_line("".join(text.split())).upper()
    except NotOneLine:
        return ""
    return number if number.isprintable() and len(number) <= TRACKING_NUMBER_LENGTH else ""
