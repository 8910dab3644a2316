"""Mutants of what may be held without a payment: that somebody holds nearly all, and that somebody else is kept out."""

from __future__ import annotations

from tests.proof.mutants.mutant import Mutant

CARDS_THAT_WAIT = "tests/integration/orders/held_unpaid/test_cards_that_wait.py"
MANY_AS_ONE = "tests/integration/orders/held_unpaid/test_many_as_one.py"
TESTS = "tests/integration/orders"
ALONG = "tests/proof/security/test_guests_taken_along.py"
ROOM = "orders/migrations/0021_taken_along_limits_nobody.py"

MUTANTS = (
    Mutant(
        removes="the fresh look behind the lock when a customer's unpaid orders are counted",
        promise="edge",
        file=ROOM,
        old="LANGUAGE plpgsql VOLATILE AS",
        new="LANGUAGE plpgsql STABLE AS",
        killers=(f"{TESTS}/test_open_orders.py::test_the_last_place_is_taken_once_by_those_who_waited_for_it",),
    ),
    Mutant(
        removes="the limit of what is held of a product without a payment",
        promise="edge",
        file="orders/sql/place_order.sql",
        old=" AND room.over_sku IS NULL\n",
        new="\n",
        killers=(
            f"{TESTS}/held_unpaid/test_without_a_card.py::test_a_hold_of_nearly_everything_is_refused_and_leaves_nothing",
        ),
    ),
    Mutant(
        removes="the locks of an email and an address while what is held for them is counted",
        promise="edge",
        file=ROOM,
        old="        PERFORM pg_advisory_xact_lock(least(email, address));\n"
        "        PERFORM pg_advisory_xact_lock(greatest(email, address));\n",
        new="        NULL;\n",
        killers=(
            f"{TESTS}/held_unpaid/test_many_as_one.py::test_the_last_of_the_room_is_taken_once_by_accounts_that_waited_for_it",
        ),
    ),
    Mutant(
        removes="the right of an order that pays to be placed whatever others hold",
        promise="edge",
        file="orders/sql/place_order.sql",
        old="%(payment_method)s::text = '' AND %(total_minor)s::bigint > 0, NULL,",
        new="true, NULL,",
        killers=(f"{MANY_AS_ONE}::test_an_order_that_pays_does_not_wait_for_others_at_its_address",),
    ),
    Mutant(
        removes="the limit of what a card holds that waits for its customer",
        promise="edge",
        file="orders/sagas/steps.py",
        old="        if order.unjudged:\n",
        new="        if False:\n",
        killers=(f"{CARDS_THAT_WAIT}::test_a_card_that_waits_for_its_customer_holds_no_more_than_no_card",),
    ),
    Mutant(
        removes="the room that a card must find before it waits",
        promise="edge",
        file="orders/sql/begin_to_wait.sql",
        old="        AND room.over_sku IS NULL\n",
        new="\n",
        killers=(f"{CARDS_THAT_WAIT}::test_a_card_that_waits_for_its_customer_holds_no_more_than_no_card",),
    ),
    Mutant(
        removes="the memory that a card has yet to be judged, where the provider's answer was lost",
        promise="edge",
        file="orders/sql/get_progress.sql",
        old="o.cancel_reason, o.unjudged,",
        new="o.cancel_reason, false,",
        killers=(f"{CARDS_THAT_WAIT}::test_a_card_of_which_the_answer_was_lost_is_judged_once_that_is_there",),
    ),
    Mutant(
        removes="the end of judging once an order waits",
        promise="edge",
        file="orders/sql/begin_to_wait.sql",
        old="        unjudged = false\n",
        new="        unjudged = unjudged\n",
        killers=(f"{CARDS_THAT_WAIT}::test_an_order_that_waits_is_judged_once",),
    ),
    Mutant(
        removes="the wait that a card begins in one statement with its judgement",
        promise="I8",
        file="orders/sql/begin_to_wait.sql",
        old="    FROM moved WHERE %(expected)s::text <> 'AWAITING_PAYMENT'\n",
        new="    FROM moved WHERE false\n",
        killers=(f"{CARDS_THAT_WAIT}::test_two_workers_of_one_order_judge_it_once",),
    ),
    Mutant(
        removes="the freedom of an order on its walk, which holds for a moment only",
        promise="edge",
        file=ROOM,
        old="                        AND (placed.status = 'AWAITING_PAYMENT' OR NOT placed.pays_at_once)\n",
        new="",
        killers=(f"{CARDS_THAT_WAIT}::test_an_order_that_is_only_recorded_is_judged_by_the_worker",),
    ),
    Mutant(
        removes="the right of whoever has a card not to be kept out by those without one",
        promise="edge",
        file=ROOM,
        old="                            AND (\n"
        "                                placed.customer_id = customer AND placed.guest_id IS NULL\n"
        "                                OR placed.pays_at_once OR waiting IS NULL\n"
        "                            )\n",
        new="",
        killers=(f"{MANY_AS_ONE}::test_those_without_a_card_keep_out_nobody_who_has_one",),
    ),
    Mutant(
        removes="the right of whoever has verified a mailbox not to be limited by those who name it",
        promise="edge",
        file=ROOM,
        old="(placed.email_verified OR NOT verified) AND",
        new="",
        killers=(f"{MANY_AS_ONE}::test_whoever_has_verified_a_mailbox_is_not_limited_by_those_who_name_it",),
    ),
    Mutant(
        removes="the one customer behind accounts that have verified one mailbox",
        promise="edge",
        file=ROOM,
        old="(placed.email_verified OR NOT verified) AND",
        new="NOT verified AND",
        killers=(f"{MANY_AS_ONE}::test_accounts_that_have_verified_one_mailbox_are_one_customer",),
    ),
    Mutant(
        removes="the proof that an address belongs to an account",
        promise="edge",
        file="shop/accounts/verified.py",
        old="user_id=user_id, verified=True",
        new="user_id=user_id",
        killers=(f"{MANY_AS_ONE}::test_an_address_that_was_entered_and_not_verified_frees_nobody",),
    ),
    Mutant(
        removes="the several customers who live at one place",
        promise="edge",
        file=ROOM,
        old="                place_factor * greatest(",
        new="                greatest(",
        killers=(f"{MANY_AS_ONE}::test_a_place_holds_so_many_times_what_one_customer_may",),
    ),
    Mutant(
        removes="the one place behind many second lines",
        promise="edge",
        file="orders/services/held_unpaid.py",
        old="parts = (address.country, address.postal_code, address.line1)",
        new="parts = (address.country, address.postal_code, address.line1, address.line2)",
        killers=(f"{MANY_AS_ONE}::test_one_place_in_several_spellings",),
    ),
    Mutant(
        removes="the one place behind many ways to write a letter",
        promise="edge",
        file="orders/services/held_unpaid.py",
        old='    return unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())\n',
        new="    return text.casefold()\n",
        killers=(f"{MANY_AS_ONE}::test_a_place_holds_so_many_times_what_one_customer_may",),
    ),
    Mutant(
        removes="the customer's own orders from what a refusal names",
        promise="edge",
        file=ROOM,
        old="    IF unpaid >= most_orders OR over_sku IS NOT NULL THEN\n",
        new="    IF unpaid >= most_orders THEN\n",
        killers=(f"{CARDS_THAT_WAIT}::test_what_is_held_with_and_without_a_card_adds_up",),
    ),
    Mutant(
        removes="the freedom of an account from what strangers ordered for its mailbox",
        promise="edge",
        file=ROOM,
        old="WHERE customer_id = customer AND guest_id IS NULL AND status IN",
        new="WHERE customer_id = customer AND status IN",
        killers=(f"{ALONG}::test_what_strangers_ordered_for_a_mailbox_keeps_its_account_from_nothing",),
    ),
    Mutant(
        removes="the silence about others' orders",
        promise="edge",
        file=ROOM,
        old="                    placed.customer_id = customer AND placed.guest_id IS NULL\n                    AND placed.status IN",
        new="                    placed.status IN",
        killers=(f"{MANY_AS_ONE}::test_a_place_holds_so_many_times_what_one_customer_may",),
    ),
    Mutant(
        removes="what is free of a product as the share is taken of it, where another worker judges",
        promise="edge",
        file="orders/sagas/steps.py",
        old="            for sku in refusal.skus:\n                del reserved[sku]\n",
        new="            raise refusal\n",
        killers=(f"{CARDS_THAT_WAIT}::test_nobody_is_kept_from_what_is_not_for_sale_any_more",),
    ),
    Mutant(
        removes="the end of an order's keys once it is paid",
        promise="edge",
        file="orders/sql/advance_order.sql",
        old="        email_key = CASE WHEN %(to)s::text = 'AWAITING_PAYMENT' THEN email_key END,\n",
        new="        email_key = email_key,\n",
        killers=(
            f"{TESTS}/held_unpaid/test_many_as_one.py::test_keys_stand_on_an_order_only_while_it_waits_for_its_payment",
        ),
    ),
    Mutant(
        removes="the one mailbox behind many addresses",
        promise="edge",
        file="shop/mail_address.py",
        old='    name = name.partition("+")[0]\n',
        new="",
        killers=(f"{TESTS}/held_unpaid/test_many_as_one.py::test_one_mailbox_by_several_names",),
    ),
)
