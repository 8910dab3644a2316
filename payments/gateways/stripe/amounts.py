"""Amounts as Stripe counts them, and those that it can charge."""

from __future__ import annotations

from payments.rules import UnchargeableAmount
from shop.money import Money

# Note [Amounts as Stripe counts them]
#
# https://docs.stripe.com/currencies: amounts are in the smallest unit, where these have none, those have thousandths
# (whose last digit must be 0), and all others are hundredths. That differs from ISO and CLDR for some. ISK and UGX are
# written without decimals and still charged in hundredths; HUF and TWD are hundredths too, only their payouts are not.
ZERO_DECIMAL = frozenset(
    ["BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"]
)
THREE_DECIMAL = frozenset(["BHD", "JOD", "KWD", "OMR", "TND"])

# What Stripe takes: https://docs.stripe.com/currencies, and eight digits at most.
_HUNDREDTHS = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BWP BYN BZD CAD CDF CHF CNY COP CRC"
    " CVE CZK DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR ISK JMD KES KGS KHR"
    " KYD KZT LAK LBP LKR LRD LSL MAD MDL MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK"
    " PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SEK SGD SHP SLE SOS SRD STD SZL THB TJS TOP TRY TTD TWD TZS UAH UGX USD"
    " UYU UZS WST XCD XCG YER ZAR ZMW"
)
TAKEN = ZERO_DECIMAL | THREE_DECIMAL | frozenset(_HUNDREDTHS.split())
MAX_AMOUNT = 99_999_999


def decimals_of(currency: str) -> int:
    """Return how many decimals Stripe counts the currency with. See Note [Amounts as Stripe counts them]."""
    if currency in ZERO_DECIMAL:
        return 0
    return 3 if currency in THREE_DECIMAL else 2


def step_of(currency: str) -> int:
    """Return how many minor units are the least that Stripe counts: ten fils, a hundred of the MGA's, else one."""
    coarser: int = 10 ** max(0, Money.zero(currency).decimals - decimals_of(currency))
    return coarser * 10 if currency in THREE_DECIMAL else coarser


def to_units(amount: Money) -> int:
    """Return the amount as Stripe counts it. Raises: UnchargeableAmount where it would have to be rounded."""
    units, lost = _shift(amount.minor, decimals_of(amount.currency) - amount.decimals)
    if lost or (amount.currency in THREE_DECIMAL and units % 10):
        raise UnchargeableAmount(f"{amount} is finer than the card provider counts", amount=amount)
    return units


def check_chargeable(amount: Money) -> None:
    """Insist that Stripe can ever charge this amount. Raises: UnchargeableAmount."""
    if amount.currency not in TAKEN:
        raise UnchargeableAmount(f"the card provider does not take {amount.currency}", amount=amount)
    if to_units(amount) > MAX_AMOUNT:
        raise UnchargeableAmount(f"{amount} is more than the card provider charges at once", amount=amount)


def from_units(units: int, currency: str) -> Money:
    """Return what Stripe calls `units` of `currency` (any case). Raises: ValueError where we cannot express it."""
    code = currency.upper()
    minor, lost = _shift(units, Money.zero(code).decimals - decimals_of(code))
    if lost:
        raise ValueError(f"{units} provider units of {code} are finer than the currency's own minor unit")
    return Money(minor, code)


def _shift(number: int, decimals: int) -> tuple[int, int]:
    """Return the number with that many decimals more, and what a smaller number of decimals loses."""
    scale: int = 10 ** abs(decimals)
    return (number * scale, 0) if decimals >= 0 else divmod(number, scale)
