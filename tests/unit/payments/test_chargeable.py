"""Which amounts can ever be charged, and whose fault a refused request is."""

import pytest

from local.stripe.money import CURRENCIES
from payments import rules
from payments.gateways.stripe import words
from payments.gateways.stripe.amounts import TAKEN, check_chargeable, step_of
from shop.currencies import EXPONENTS
from shop.money import Money


@pytest.mark.parametrize(
    "amount",
    [
        Money(1, "EUR"),
        Money(0, "EUR"),
        Money(12340, "KWD"),
        Money(99_999_999, "USD"),
        Money(100, "MGA"),
        Money(1, "JPY"),
    ],
)
def test_what_can_be_charged_passes(amount):
    check_chargeable(amount)


@pytest.mark.parametrize(
    "amount", [Money(12345, "KWD"), Money(1000, "IQD"), Money(1, "XXX"), Money(100_000_000, "EUR"), Money(150, "MGA")]
)
def test_what_can_never_be_charged_is_refused(amount):
    with pytest.raises(rules.UnchargeableAmount):
        check_chargeable(amount)


@pytest.mark.parametrize(
    ("currency", "step"), [("EUR", 1), ("JPY", 1), ("ISK", 1), ("KWD", 10), ("TND", 10), ("MGA", 100)]
)
def test_the_least_that_is_counted(currency, step):
    assert step_of(currency) == step


@pytest.mark.parametrize("currency", sorted(TAKEN))
def test_a_multiple_of_the_step_can_be_charged_and_nothing_finer(currency):
    step = step_of(currency)

    check_chargeable(Money(7 * step, currency))
    for finer in range(1, min(step, 11)):
        with pytest.raises(rules.UnchargeableAmount):
            check_chargeable(Money(7 * step + finer, currency))


def test_the_currencies_taken_are_those_of_the_sandbox_and_have_a_minor_unit():
    assert {code.upper() for code in CURRENCIES} - {"HRK"} == TAKEN  # the kuna ended with 2022
    assert set(EXPONENTS) >= TAKEN


@pytest.mark.parametrize(
    ("code", "param", "written", "kind"),
    [
        ("amount_too_small", "amount", "amount_too_small", "amount"),
        ("invalid_request_error", "currency", "amount:invalid_request_error", "amount"),
        ("parameter_invalid_integer", "amount", "amount:parameter_invalid_integer", "amount"),
        ("resource_missing", "payment_method", "payment_method:resource_missing", "payment_method"),
        ("payment_method_used", "", "payment_method:payment_method_used", "payment_method"),
        ("account_closed", "", "request:account_closed", "request"),
        ("x" * 100, "", "request:" + "x" * 72, "request"),
        ("payment_method_provider_decline", "payment_method", "payment_method_provider_decline", "bank"),
    ],
)
def test_whose_fault_a_refused_request_is_stands_in_its_code(code, param, written, kind):
    assert rules.decline_code_of(words.refused_for(code, param), code) == written
    assert words.refused_for(code, param) == rules.kind_of_refusal(written) == kind


@pytest.mark.parametrize("code", ["insufficient_funds", "generic_decline", "resource_missing", ""])
def test_a_code_alone_is_the_banks_word(code):
    assert rules.kind_of_refusal(code) == "bank"
