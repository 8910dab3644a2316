"""Mutants of what waits for the disk: a commit that others stand on, made one that a power cut takes back (ADR 0027)."""

from __future__ import annotations

from tests.proof.mutants.mutant import Mutant

POWER = "tests/proof/power/test_promises.py"
BEFORE_A_CALL = f"{POWER}::test_what_a_call_to_the_provider_stands_on_is_kept_before_it"
HURRY = "set_config('synchronous_commit', 'off', true)"

MUTANTS = (
    Mutant(
        removes="the wait for the disk before a customer has their answer",
        promise="I7",
        file="shop/sql/keep_answer.sql",
        old="RETURNING id\n",
        new=f"RETURNING id, {HURRY}\n",
        killers=(f"{POWER}::test_an_answer_that_was_given_is_kept_with_all_that_it_says",),
    ),
    Mutant(
        removes="the wait for the disk before an order that is only recorded is answered",
        promise="I7",
        file="orders/services/place_order.py",
        old="            asynchronous=inline,\n",
        new="            asynchronous=True,\n",
        killers=(f"{POWER}::test_an_order_that_is_only_recorded_is_kept_before_its_customer_hears_of_it",),
    ),
    Mutant(
        removes="the wait for the disk before an intent is created",
        promise="I4",
        file="payments/sql/open_payment.sql",
        old="SELECT created_at FROM opened\n",
        new=f"SELECT created_at, {HURRY} FROM opened\n",
        killers=(f"{BEFORE_A_CALL}[create_intent-kept0]",),
    ),
    Mutant(
        removes="the wait for the disk before an intent is confirmed",
        promise="I4",
        file="payments/services/recording.py",
        old="            asynchronous=to == PaymentStatus.CAPTURED,\n",
        new="            asynchronous=True,\n",
        killers=(f"{BEFORE_A_CALL}[confirm_intent-kept1]",),
    ),
    Mutant(
        removes="the wait for the disk before money is captured",
        promise="I3",
        file="inventory/sql/move_reservations.sql",
        old="(SELECT set_config('lock_timeout', %(patience)s, true)),\n",
        new=f"(SELECT set_config('lock_timeout', %(patience)s, true), {HURRY}),\n",
        killers=(f"{BEFORE_A_CALL}[capture_intent-kept2]",),
    ),
    Mutant(
        removes="the wait for the disk before a fact is told",
        promise="I8",
        file="shop/events/claims.py",
        old="_WAITS = \", set_config('synchronous_commit', current_setting('shop.commit'), true)\"\n",
        new='_WAITS = ""\n',
        killers=(f"{POWER}::test_a_fact_is_kept_before_anybody_outside_hears_of_it",),
    ),
    Mutant(
        removes="the wait for the disk before a provider's notice that teaches is acknowledged",
        promise="I10",
        file="payments/sql/keep_notice.sql",
        old=" AND due_at IS DISTINCT FROM now() THEN",
        new=" THEN",
        killers=(f"{POWER}::test_a_notice_that_teaches_is_kept_before_it_is_acknowledged",),
    ),
    Mutant(
        removes="the wait for the disk before a carrier is asked",
        promise="I6",
        file="shop/work/rows.py",
        old="                asynchronous=not self.also, limit",
        new="                asynchronous=True, limit",
        killers=(f"{POWER}::test_the_carrier_is_written_down_before_it_is_asked",),
    ),
)
