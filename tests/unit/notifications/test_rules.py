"""What is said to customers."""

import pytest

from notifications import rules
from notifications.models import EmailKind
from orders.rules import CancelReason

CODES = [*CancelReason, "payment_expired"]


@pytest.mark.parametrize("code", sorted(set(map(str, CODES))))
def test_every_reason_has_a_sentence_of_its_own(code):
    sentence = rules.reason_in_words(code)

    assert sentence != rules.OTHER_REASON
    assert sentence.endswith(".")
    assert code not in sentence


@pytest.mark.parametrize("code", ["", "a_code_of_a_later_release"])
def test_reason_of_a_later_release_gets_a_kind_sentence(code):
    assert rules.reason_in_words(code) == rules.OTHER_REASON


@pytest.mark.parametrize("kind", [str(kind) for kind in EmailKind])
def test_subject_is_one_line_whatever_the_number_holds(kind):
    subject = rules.subject(kind, number="X\r\nBcc: eve@example.com")

    assert "\n" not in subject
    assert "\r" not in subject


@pytest.mark.parametrize(
    "text",
    [
        "550 no such user ada@example.com",
        "{'ada@example.com': (550, b'<ada@example.com>: no')}",
        "mailto:ada+shop@sub.example.com?",
    ],
)
def test_addresses_are_masked_in_errors(text):
    assert "example.com" not in rules.without_addresses(text)
    assert "<address>" in rules.without_addresses(text)
