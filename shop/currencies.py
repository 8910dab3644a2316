"""ISO 4217: which currencies there are, and how many decimals their minor unit has.

A table of our own: amounts are stored in minor units, so a library's newer data would rescale every price. CLDR's "digits" are
how prices are usually written, and differ for thirteen currencies (RSD and LBP: none; ISO: two).
"""

from __future__ import annotations

_NO_DECIMALS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_TWO_DECIMALS = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY COP COU"
    " CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD"
    " KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK"
    " NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT"
    " TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG"
)
_THREE_DECIMALS = "BHD IQD JOD KWD LYD OMR TND"
_FOUR_DECIMALS = "CLF UYW"
# Withdrawn by ISO since 2015; amounts in them may be stored.
_WITHDRAWN_TWO_DECIMALS = "ANG BGN CUC HRK MRO SLL STD VEF ZWL"
_WITHDRAWN_NO_DECIMALS = "BYR"
# "No currency": amounts that are not read.
_NONE = "XXX"

EXPONENTS: dict[str, int] = {
    code: exponent
    for codes, exponent in (
        (_NO_DECIMALS, 0),
        (_WITHDRAWN_NO_DECIMALS, 0),
        (_TWO_DECIMALS, 2),
        (_WITHDRAWN_TWO_DECIMALS, 2),
        (_NONE, 2),
        (_THREE_DECIMALS, 3),
        (_FOUR_DECIMALS, 4),
    )
    for code in codes.split()
}
