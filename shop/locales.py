"""How amounts and dates are written for a customer: BCP 47 tags (RFC 5646) of the locales that Babel knows."""

from __future__ import annotations

import re
from functools import lru_cache

from babel import Locale, UnknownLocaleError

# What a customer gets who has not said otherwise.
DEFAULT = "en-US"
# Language, script, region or variant: no extensions, which say nothing about amounts and dates.
_TAG = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z]{4})?(?:-(?:[A-Za-z]{2}|[0-9]{3}))?", re.ASCII)


@lru_cache(maxsize=1024)
def find_locale(tag: str) -> str | None:
    """Return the tag as this shop keeps it ("de-DE" for "de-de", "zh-Hans-CN" for "zh-CN"), None if it is not known."""
    if not _TAG.fullmatch(tag):
        return None
    try:
        return str(Locale.parse(tag, sep="-")).replace("_", "-")
    except (UnknownLocaleError, ValueError):
        return None


def babel_locale(tag: str) -> str:
    """Return Babel's name for a tag that `find_locale` returned; "" is the default's."""
    return (tag or DEFAULT).replace("-", "_")
