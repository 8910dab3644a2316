"""Currencies the sandbox takes, their smallest charge, and amounts as they appear in messages."""

from __future__ import annotations

from local.stripe import errors

_ZERO = "bif clp djf gnf jpy kmf krw mga pyg rwf ugx vnd vuv xaf xof xpf"
_THREE = "bhd jod kwd omr tnd"
_OTHERS = (
    "aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd bwp byn bzd cad cdf chf cny "
    "cop crc cve czk dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gtq gyd hkd hnl hrk htg huf idr ils inr "
    "isk jmd kes kgs khr kyd kzt lak lbp lkr lrd lsl mad mdl mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn "
    "nio nok npr nzd pab pen pgk php pkr pln qar ron rsd rub sar sbd scr sek sgd shp sle sos srd std szl thb "
    "tjs top try ttd twd tzs uah usd uyu uzs wst xcd xcg yer zar zmw"
)
ZERO_DECIMAL = frozenset(_ZERO.split())
THREE_DECIMAL = frozenset(_THREE.split())
CURRENCIES = ZERO_DECIMAL | THREE_DECIMAL | frozenset(_OTHERS.split())
MINIMUM = {
    "aed": 200, "bgn": 100, "czk": 1500, "dkk": 250, "gbp": 30, "hkd": 400, "huf": 17500, "mxn": 1000, "myr": 200,
    "nok": 300, "pln": 200, "ron": 200, "sek": 300, "thb": 1000,
}  # fmt: skip
DEFAULT_MINIMUM = 50
MAXIMUM = 99_999_999
SYMBOLS = {"usd": "$", "eur": "€", "gbp": "£", "jpy": "¥"}


def written(*, amount: int, currency: str) -> str:
    """Write an amount for a message."""
    if currency in ZERO_DECIMAL:
        figure = f"{amount:,}"
    elif currency in THREE_DECIMAL:
        figure = f"{amount // 1000:,}.{amount % 1000:03d}"
    else:
        figure = f"{amount // 100:,}.{amount % 100:02d}"
    symbol = SYMBOLS.get(currency)
    return f"{symbol}{figure}" if symbol else f"{figure} {currency.upper()}"


def check_currency(*, currency: str) -> str:
    """Give the currency in lower case. Raises: StripeError."""
    lowered = currency.lower()
    if lowered not in CURRENCIES:
        supported = ", ".join(sorted(CURRENCIES))
        raise errors.invalid_parameter(
            message=f"Invalid currency: {currency}. Supported currencies: {supported}", param="currency"
        )
    return lowered


def check_amount(*, amount: int, currency: str, param: str = "amount") -> int:
    """Give the amount if it may be charged in this currency. Raises: StripeError."""
    if amount < 1:
        raise errors.invalid_parameter(
            message="This value must be greater than or equal to 1.", param=param, code="parameter_invalid_integer"
        )
    least = MINIMUM.get(currency, DEFAULT_MINIMUM)
    if amount < least:
        shown = written(amount=least, currency=currency)
        raise errors.invalid_parameter(
            message=f"Amount must be at least {shown} {currency}", param=param, code="amount_too_small"
        )
    if amount > MAXIMUM:
        shown = written(amount=MAXIMUM, currency=currency)
        raise errors.invalid_parameter(
            message=f"Amount must be no more than {shown}", param=param, code="amount_too_large"
        )
    return amount
