"""Mutants of the second card: tried twice, before its turn, for a thief, or on top of a success."""

from __future__ import annotations

from tests.proof.mutants.mutant import Mutant

PAYMENTS = "tests/integration/payments/test_another_card.py"
ORDERS = "tests/integration/orders/test_another_card.py"
DECLINED = "tests/integration/orders/test_declined_cards.py"

MUTANTS = (
    Mutant(
        removes="the number of cards that are over from what records a decline",
        promise="I11",
        file="payments/sql/move_payment.sql",
        old="coalesce(%(tried)s::integer, jsonb_array_length(refused))",
        new="coalesce(0 * %(tried)s::integer, 0) + jsonb_array_length(refused)",
        killers=(f"{PAYMENTS}::test_the_decline_of_the_card_before_heard_late_does_not_decline_this_one",),
    ),
    Mutant(
        removes="the late success of a payment that was recorded as declined",
        promise="I11",
        file="payments/models/payment.py",
        old="(PaymentAuthorized, (*WAITING, PaymentStatus.DECLINED))",
        new="(PaymentAuthorized, WAITING)",
        killers=(
            f"{PAYMENTS}::test_a_late_success_is_heard_of_by_its_webhook",
            f"{ORDERS}::test_a_late_success_that_nobody_heard_of_is_found_at_the_deadline",
        ),
    ),
    Mutant(
        removes="the other card on its intent before that is written down",
        promise="I4",
        file="payments/services/authorize.py",
        old='            intent_id=payment.intent_id or "", payment_method=payment_method, key=payment.key("method")\n',
        new='            intent_id=payment.intent_id or "", payment_method=payment.payment_method, key=payment.key("method")\n',
        killers=(f"{PAYMENTS}::test_another_card_is_held_on_the_same_intent",),
    ),
    Mutant(
        removes="the memory of the cards that were tried",
        promise="edge",
        file="payments/queries.py",
        old="        return any(payment_method == tried for tried, _code in self.refused)\n",
        new="        return False\n",
        killers=(
            f"{PAYMENTS}::test_a_card_that_was_tried_is_not_tried_again",
            f"{PAYMENTS}::test_a_worker_that_was_left_behind_does_not_bring_the_first_card_back",
        ),
    ),
    Mutant(
        removes="the end of the cards that may be tried",
        promise="edge",
        file="payments/queries.py",
        old="            return left if self.may_try_another else 0\n",
        new="            return settings.PAYMENT_ATTEMPTS if self.may_try_another else 0\n",
        killers=(f"{ORDERS}::test_the_fifth_decline_ends_it",),
    ),
    Mutant(
        removes="the suspicion of fraud",
        promise="edge",
        file="payments/gateways/stripe/snapshots.py",
        old="        may_try_another=decline_code not in SUSPICIONS,\n",
        new="        may_try_another=True,\n",
        killers=(f"{ORDERS}::test_a_decline_that_suspects_fraud_ends_it_at_once",),
    ),
    Mutant(
        removes="the turn of one card after the other",
        promise="I4",
        file="orders/services/pay_order.py",
        old='        if order.payment_method not in ("", instead_of):\n',
        new="        if False:\n",
        killers=(f"{ORDERS}::test_of_two_other_cards_at_once_one_is_tried",),
    ),
    Mutant(
        removes="the limits of what is held until another card comes",
        promise="edge",
        file="orders/sagas/steps.py",
        old="        except services.TooMuchHeldUnpaid:\n            return False\n",
        new="        except services.TooMuchHeldUnpaid:\n            return True\n",
        killers=(f"{ORDERS}::test_what_may_not_be_held_unpaid_is_not_held_for_another_card",),
    ),
    Mutant(
        removes="the second look of a walk that was left behind by another card",
        promise="I10",
        file="orders/services/saga_store.py",
        old="unchanged = given == payment_method and status in standing",
        new="unchanged = status in standing",
        killers=(f"{ORDERS}::test_a_walk_that_was_left_behind_does_not_put_the_other_card_to_sleep",),
    ),
    Mutant(
        removes="the second look of a walk that was left behind by a cancel",
        promise="I10",
        file="orders/services/saga_store.py",
        old="unchanged = given == payment_method and status in standing",
        new="unchanged = given == payment_method",
        killers=(
            "tests/integration/orders/test_walks_that_fail.py::test_a_walk_that_was_left_behind_does_not_put_a_cancel_to_sleep",
        ),
    ),
    Mutant(
        removes="the end of declined cards",
        promise="edge",
        file="orders/rest/declined.py",
        old="        if wait > 0:\n",
        new="        if wait < 0:\n",
        killers=(f"{DECLINED}::test_the_third_declined_card_is_the_last_one_that_is_tried",),
    ),
    Mutant(
        removes="the question what became of cards whose answers did not say it",
        promise="edge",
        file="orders/rest/declined.py",
        old="        self._settle()\n",
        new="",
        killers=(
            f"{DECLINED}::test_what_is_answered_before_it_is_tried_is_asked_about",
            f"{DECLINED}::test_what_was_paid_in_the_end_is_forgotten",
        ),
    ),
    Mutant(
        removes="the network of an IPv6 address from the rate of whoever is not signed in",
        promise="edge",
        file="shop/rest/throttling.py",
        old='f"throttle:anonymous:{hashlib.sha256(network_of(request)',
        new='f"throttle:anonymous:{hashlib.sha256(self.get_ident(request)',
        killers=("tests/integration/shop/test_throttling.py::test_one_network_of_ipv6_is_one_address",),
    ),
    Mutant(
        removes="the network of an IPv6 address",
        promise="edge",
        file="shop/rest/throttling.py",
        old="ipaddress.ip_network((address, 64), strict=False)",
        new="address",
        killers=(f"{DECLINED}::test_one_network_of_ipv6_is_one_address",),
    ),
    Mutant(
        removes="the guests of an address from what its accounts are stopped for",
        promise="edge",
        file="orders/rest/declined.py",
        old='kind = "accounts" if guest_at is None else "guests"',
        new='kind = "all"',
        killers=(f"{DECLINED}::test_guests_close_no_address_to_its_accounts",),
    ),
    Mutant(
        removes="the mailbox that guests have in common from whose cards are counted",
        promise="edge",
        file="orders/rest/declined.py",
        old="        if guest_at:\n",
        new="        if False:\n",
        killers=(f"{DECLINED}::test_new_guests_of_one_mailbox_are_stopped_as_one_wherever_they_are",),
    ),
    Mutant(
        removes="the bank's word from what counts as a declined card",
        promise="edge",
        file="payments/rules.py",
        old="    return decline_code != CHANGED and kind_of_refusal(decline_code) == RefusedFor.BANK\n",
        new="    return True\n",
        killers=("tests/unit/payments/test_rules.py::test_only_the_banks_word_is_a_declined_card",),
    ),
)
