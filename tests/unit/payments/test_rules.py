"""Pure decisions: amounts as Stripe counts them, what an intent implies, what a webhook can teach."""

from __future__ import annotations

import json
import re
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from payments import metrics, rules
from payments.gateways import InvalidWebhook
from payments.gateways.stripe import amounts, words
from payments.gateways.stripe.adapter import StripeProvider
from payments.gateways.stripe.webhooks import read_notice
from payments.models import KNOWN_IN, MOVES, Payment, PaymentStatus
from payments.queries import to_state
from payments.rules import IntentStatus, NoticeKind, RefusedFor
from shop.money import CURRENCIES, Money

ORDER = uuid.uuid4()


@pytest.mark.parametrize(
    ("amount", "units"),
    [
        (Money(1099, "USD"), 1099),
        (Money(500, "JPY"), 500),
        (Money(5, "ISK"), 500),
        (Money(5, "UGX"), 500),
        (Money(1045, "HUF"), 1045),
        (Money(80045, "TWD"), 80045),
        (Money(5120, "KWD"), 5120),
        (Money(700, "LYD"), 70),
    ],
)
def test_amounts_follow_the_providers_count_of_decimals(amount, units):
    assert amounts.to_units(amount) == units
    assert amounts.from_units(units, amount.currency.lower()) == amount


@pytest.mark.parametrize("amount", [Money(5124, "KWD"), Money(701, "LYD"), Money(1, "BHD")])
def test_amount_finer_than_the_provider_counts_is_refused(amount):
    with pytest.raises(rules.UnchargeableAmount):
        amounts.to_units(amount)


@given(st.integers(0, 10**9), st.sampled_from(sorted(CURRENCIES)))
def test_whatever_is_chargeable_comes_back_as_the_same_money(minor, currency):
    try:
        units = amounts.to_units(Money(minor, currency))
    except rules.UnchargeableAmount:
        return

    assert amounts.from_units(units, currency) == Money(minor, currency)


@pytest.mark.parametrize("seen", IntentStatus)
def test_every_implied_move_is_in_the_transition_table(seen):
    if seen in MOVES:
        told, sources = MOVES[seen]
        Payment.TRANSITIONS.check(sources, str(Payment.STATUS_AFTER[told]))


@pytest.mark.parametrize("seen", IntentStatus)
def test_no_snapshot_moves_what_is_final_or_paid(seen):
    _told, sources = MOVES.get(seen, (None, ()))

    assert not {"VOIDED", "REFUNDED", "CAPTURED", "PARTIALLY_REFUNDED", "NEW"} & set(sources)


def test_only_what_is_final_at_the_provider_moves_an_authorized_payment():
    movers = {seen for seen, (_told, sources) in MOVES.items() if "AUTHORIZED" in sources}

    assert movers == rules.FINAL_INTENTS == {IntentStatus.CAPTURED, IntentStatus.CANCELED}


def test_a_declined_payment_is_moved_by_what_never_turns_back_into_a_decline():
    movers = {seen for seen, (_told, sources) in MOVES.items() if "DECLINED" in sources}

    assert movers == rules.FINAL_INTENTS | {IntentStatus.AUTHORIZED}


@pytest.mark.parametrize(
    ("refused_for", "has_intent", "final", "may"),
    [
        (RefusedFor.BANK, True, False, True),
        (RefusedFor.METHOD, True, False, True),
        (RefusedFor.BANK, True, True, False),
        (RefusedFor.BANK, False, False, False),
        (RefusedFor.METHOD, False, False, False),
        (RefusedFor.AMOUNT, True, False, False),
        (RefusedFor.REQUEST, True, False, False),
    ],
)
def test_which_refusal_may_be_followed_by_another_card(refused_for, has_intent, final, may):
    assert rules.may_follow(refused_for=refused_for, has_intent=has_intent, final=final) is may


@pytest.mark.parametrize(
    ("status", "may_try_another", "refused", "left"),
    [
        *(("DECLINED", True, refused, 5 - refused) for refused in range(1, 6)),
        ("DECLINED", True, 6, 0),
        ("DECLINED", False, 1, 0),
        *((status, False, 0, 4) for status in ("NEW", "SUBMITTED", "UNKNOWN", "REQUIRES_ACTION")),
        ("REQUIRES_ACTION", True, 4, 0),
        *((status, True, 1, 0) for status in ("AUTHORIZED", "CAPTURED", "PARTIALLY_REFUNDED", "REFUNDED", "VOIDED")),
    ],
)
def test_how_many_cards_may_follow(settings, status, may_try_another, refused, left):
    settings.PAYMENT_ATTEMPTS = 5
    tried = [["pm_before", "card_declined"]] * refused
    payment = Payment(status=status, amount_minor=1250, currency="EUR", may_try_another=may_try_another, refused=tried)

    assert to_state(payment).attempts_left == left


def test_a_suspicion_of_fraud_is_followed_by_no_other_card():
    assert {"fraudulent", "lost_card", "stolen_card", "pickup_card"} <= words.SUSPICIONS
    assert not {"generic_decline", "insufficient_funds", "expired_card", "incorrect_cvc", ""} & words.SUSPICIONS


def test_intent_that_was_never_confirmed_implies_nothing():
    for never_confirmed in (
        words.intent_status("requires_payment_method", attempt_failed=False),
        words.intent_status("requires_confirmation", attempt_failed=False),
    ):
        assert never_confirmed not in MOVES


@pytest.mark.parametrize(
    ("word", "failed", "implied"),
    [
        ("requires_payment_method", True, "DECLINED"),
        ("requires_confirmation", True, None),
        ("requires_action", False, "REQUIRES_ACTION"),
        ("requires_action", True, "REQUIRES_ACTION"),
        ("processing", False, None),
        ("requires_capture", False, "AUTHORIZED"),
        ("succeeded", True, "CAPTURED"),
        ("canceled", True, "VOIDED"),
        ("a_word_of_next_year", False, None),
    ],
)
def test_what_a_word_of_stripe_implies(word, failed, implied):
    move = MOVES.get(words.intent_status(word, attempt_failed=failed))

    assert (None if move is None else Payment.STATUS_AFTER[move[0]]) == implied


def test_terminal_statuses_are_these():
    assert Payment.TRANSITIONS.terminal == {"REFUNDED", "VOIDED"}
    assert set(Payment.TRANSITIONS) == set(PaymentStatus)


@pytest.mark.parametrize("status", ["CAPTURED", "PARTIALLY_REFUNDED", "REFUNDED"])
def test_paid_payment_learns_nothing_from_its_own_progress(status):
    assert status in KNOWN_IN[NoticeKind.CAPTURED]
    assert status in KNOWN_IN[NoticeKind.AUTHORIZED]


@pytest.mark.parametrize("status", ["VOIDED", "AUTHORIZED", "UNKNOWN", "DECLINED"])
def test_late_capture_is_always_news(status):
    assert status not in KNOWN_IN[NoticeKind.CAPTURED]


@pytest.mark.parametrize("kind", [NoticeKind.REFUND, NoticeKind.DISPUTE, None])
def test_refund_dispute_and_what_nobody_knows_are_always_news(kind):
    assert kind not in KNOWN_IN


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seen_order_id": str(uuid.uuid4())}, "order_id"),
        ({"seen_amount": Money(1, "EUR")}, "amount"),
        ({"seen_amount": Money(100, "USD")}, "currency"),
        ({"seen_livemode": True}, "livemode"),
    ],
)
def test_intent_that_is_not_ours_is_named_by_what_differs(change, named):
    same: dict[str, Any] = {"seen_order_id": str(ORDER), "seen_amount": Money(100, "EUR"), "seen_livemode": False}
    ours: dict[str, Any] = {"order_id": ORDER, "amount": Money(100, "EUR"), "livemode": False}

    assert rules.mismatches(**same, **ours) == ()
    assert rules.mismatches(**(same | change), **ours) == (named,)


def test_keys_expire_before_the_provider_forgets_them():
    used = datetime(2026, 1, 1, tzinfo=UTC)

    lifetime = StripeProvider.key_lifetime

    assert not rules.keys_expired(first_used_at=used, now=used + timedelta(hours=22), lifetime=lifetime)
    assert rules.keys_expired(first_used_at=used, now=used + timedelta(hours=24), lifetime=lifetime)


def test_notice_is_read_from_a_signed_body_only():
    subject = {"object": "refund", "id": "re_1", "payment_intent": "pi_1"}
    body = json.dumps({"id": "evt_1", "type": "refund.created", "livemode": False, "data": {"object": subject}})
    signature = stripe.WebhookSignature.generate_signature_header(body, "whsec_a")

    notice = read_notice(body=body.encode(), signature=signature, secrets=["whsec_b", "whsec_a"])

    assert (notice.event_id, notice.intent_id, notice.kind) == ("evt_1", "pi_1", NoticeKind.REFUND)
    for secrets in ([], ["whsec_b"], [""]):
        with pytest.raises(InvalidWebhook):
            read_notice(body=body.encode(), signature=signature, secrets=secrets)


@pytest.mark.parametrize("body", ["[" * 30_000, '{"a":' * 3000 + "1" + "}" * 3000, '{"data": {"object": []}}', "[1]"])
def test_signed_body_that_is_not_an_event_is_refused(body):
    signature = stripe.WebhookSignature.generate_signature_header(body, "whsec_a")

    with pytest.raises(InvalidWebhook):
        read_notice(body=body.encode(), signature=signature, secrets=["whsec_a"])


@pytest.mark.parametrize(
    "place",
    [
        "docs/deployment.md",
        "docker/compose.yml",
        "docker/kubernetes/overlays/development/stripe-sandbox.yaml",
        "local/stack.py",
    ],
)
def test_webhooks_are_registered_for_exactly_what_is_acted_on(place):
    text = (Path(__file__).parents[3] / place).read_text()

    named = set(re.findall(r"\b(?:payment_intent|charge|refund)\.[a-z_.]*[a-z_]", text))
    assert named == set(words.NOTICES)


@pytest.mark.parametrize(
    ("code", "declined"),
    [
        ("insufficient_funds", True),
        ("a_code_of_tomorrow", True),
        (rules.CHANGED, False),
        ("payment_method:resource_missing", False),
        ("request:account_invalid", False),
        ("amount_too_small", False),
    ],
)
def test_only_the_banks_word_is_a_declined_card(code: str, declined: bool):
    assert rules.is_declined(code) is declined


def test_declines_are_counted_by_code_and_strange_codes_together():
    def counted(code: str) -> float:
        return REGISTRY.get_sample_value("shop_payment_declines_total", {"code": code}) or 0.0

    before = {code: counted(code) for code in ("do_not_honor", metrics.OTHER)}

    for code in ("do_not_honor", *(f"a_code_of_tomorrow_{number}" for number in range(3)), rules.CHANGED):
        metrics.count_refusal(code)

    assert {code: counted(code) - before[code] for code in before} == {"do_not_honor": 1, metrics.OTHER: 3}
    assert counted("a_code_of_tomorrow_1") == 0
