"""ISO 3166-2: the regions of a country (states, provinces and the like), found by code or by name.

An address holds what its customer typed. Taxes are by region, so there the text has to be understood.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import pycountry

# Not of ISO, and written in addresses all the same: the armed forces of the United States.
_MORE = {"US": {"AA": "Armed Forces Americas", "AE": "Armed Forces Europe", "AP": "Armed Forces Pacific"}}


@dataclass(frozen=True)
class Region:
    """A region by the part of its code behind the country's, and those that it lies in, such as CT for Barcelona."""

    code: str
    within: tuple[str, ...] = ()


def find_region(country: str, text: str) -> Region | None:
    """Return the region that a text names: NY, US-NY or New York, whatever its capitals and accents; None for no region.

    A name that two regions have names neither.
    """
    return _regions_of(country).get(_fold(text))


def codes_of(country: str) -> list[str]:
    """Return the codes of a country's regions, such as NY."""
    return sorted({region.code for region in _regions_of(country).values()})


@cache
def _regions_of(country: str) -> Mapping[str, Region]:
    """Return the regions of a country by each text that names one. Read once: the table of all countries takes a while."""
    listed = pycountry.subdivisions.get(country_code=country) or ()  # type: ignore[no-untyped-call]
    parents = {each.code: each.parent_code for each in listed}
    by_code, by_name = {}, defaultdict(set)
    for each in listed:
        region = Region(_short(each.code), tuple(map(_short, _above(each.code, parents))))
        by_code[_fold(region.code)] = by_code[_fold(each.code)] = region
        # "Ourense [Orense]" and "Bozen; Bolzano" have a second name.
        for name in re.split(r"[\[\];]", each.name):
            by_name[_fold(name)].add(region)
    for code, name in _MORE.get(country, {}).items():
        by_code[_fold(code)] = by_code[_fold(country + code)] = Region(code)
        by_name[_fold(name)].add(Region(code))
    return {name: next(iter(found)) for name, found in by_name.items() if name and len(found) == 1} | by_code


def _above(code: str, parents: Mapping[str, str | None]) -> list[str]:
    found: list[str] = []
    while (above := parents.get(code)) and above not in found:
        found.append(above)
        code = above
    return found


def _short(code: str) -> str:
    return code.partition("-")[2]


def _fold(text: str) -> str:
    """Return letters and digits alone, without capitals and accents."""
    return "".join(sign for sign in unicodedata.normalize("NFKD", text).casefold() if sign.isalnum())
