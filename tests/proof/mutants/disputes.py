"""Mutants of disputes: unheard, recorded out of order, refunded a second time, or not in the books."""

from __future__ import annotations

from tests.proof.mutants.mutant import Mutant

HEARD = "tests/integration/payments/disputes/test_heard.py"
REFUNDS_MEANWHILE = "tests/integration/payments/disputes/test_refunds_meanwhile.py"
TOLD = "tests/integration/payments/disputes/test_told.py"
LEFT_TO_STAFF = "tests/integration/shipping/test_left_to_staff.py"
APPEALS = "tests/integration/orders/disputes/test_appeals.py"
DISPUTED_ORDERS = "tests/integration/orders/disputes/test_disputed_orders.py"
PARCELS_AND_STORIES = "tests/integration/orders/disputes/test_parcels_and_stories.py"
DISPUTES = "payments/services/disputes.py"
BOOKS = "payments/services/dispute_books.py"
RECONCILE = "payments/services/reconcile.py"
OWED = "payments/services/owed.py"
REFUND = "payments/services/refund.py"
RECORD_REFUND = "payments/services/record_refund.py"
AUDIT = "payments/audit.py"
HANDLERS = "shipping/handlers.py"
STEPS = "orders/sagas/steps.py"
ENTRY = "orders/sagas/entry.py"
VOID = "payments/services/void.py"
REFUNDS = "tests/integration/orders/test_refunds.py"
VOIDS = "tests/integration/payments/test_capture_and_void.py"

MUTANTS = (
    Mutant(
        removes="the hearing of disputes",
        promise="I11",
        file="payments/gateways/stripe/words.py",
        old='    "charge.dispute.created": NoticeKind.DISPUTE,\n',
        new="",
        killers=(f"{HEARD}::test_signed_webhook_of_a_dispute_is_kept_and_the_dispute_recorded",),
    ),
    Mutant(
        removes="the search for disputes whose webhooks were lost",
        promise="I11",
        file=RECONCILE,
        old="        run.disputes += 1\n        _sync_dispute(run, payment, seen)\n",
        new="        run.disputes += 1\n",
        killers=(f"{HEARD}::test_a_dispute_whose_webhooks_were_all_lost_is_found_by_the_hourly_reconciliation",),
    ),
    Mutant(
        removes="the fence against an older answer about a dispute",
        promise="I11",
        file=DISPUTES,
        old="        if (None if dispute is None else dispute.answers) != answers:\n            return None\n",
        new="",
        killers=(f"{HEARD}::test_an_older_answer_never_overwrites_a_newer_one",),
    ),
    Mutant(
        removes="the refusal of a refund while a chargeback is open",
        promise="I4",
        file=REFUND,
        old="            refuse_disputed(payment)\n",
        new="            pass\n",
        killers=(f"{REFUNDS_MEANWHILE}::test_a_refund_is_refused_while_a_chargeback_is_open_and_made_once_it_is_won",),
    ),
    Mutant(
        removes="the search for the dispute for which a refund was refused",
        promise="I11",
        file=REFUND,
        old="                _explain_by_dispute(refund, payment)\n",
        new="                pass\n",
        killers=(f"{REFUNDS_MEANWHILE}::test_a_refund_that_is_refused_for_a_dispute_nobody_has_heard_of_finds_it",),
    ),
    Mutant(
        removes="the new key of a refund that was refused for a dispute not listed yet",
        promise="I10",
        file=REFUND,
        old="key_is_spent=True, order_id=payment.pk",
        new="key_is_spent=False, order_id=payment.pk",
        killers=(
            f"{REFUNDS_MEANWHILE}::test_a_refund_that_is_refused_for_a_dispute_not_listed_yet_is_sent_again_under_its_own_id",
        ),
    ),
    Mutant(
        removes="the end of a refund that is refused for a dispute never listed",
        promise="I10",
        file=REFUND,
        old=" or refund.attempts >= TRIES_UNEXPLAINED:",
        new=":",
        killers=(
            f"{REFUNDS_MEANWHILE}::test_a_refund_that_is_refused_for_a_dispute_that_is_never_listed_fails_in_the_end",
        ),
    ),
    Mutant(
        removes="the wait for a dispute that a refused refund has found",
        promise="I10",
        file=REFUND,
        old="                refuse_disputed(load(payment.pk))\n",
        new="                pass\n",
        killers=(f"{DISPUTED_ORDERS}::test_cancels_before_the_dispute_is_heard_wait_for_the_bank_and_use_up_no_try",),
    ),
    Mutant(
        removes="what is not counted among the tries of an order's refund",
        promise="I10",
        file=STEPS,
        old="refused += not refusal.by_dispute",
        new="refused += 1",
        killers=(f"{DISPUTED_ORDERS}::test_refunds_that_were_refused_for_a_dispute_do_not_count_as_tries",),
    ),
    Mutant(
        removes="what is not counted among the tries of a void's refund",
        promise="I10",
        file=VOID,
        old="sum(code != rules.REFUSED_AS_DISPUTED for code in failed.values())",
        new="len(failed)",
        killers=(f"{VOIDS}::test_void_gives_up_after_its_tries_and_does_not_count_what_a_dispute_refused",),
    ),
    Mutant(
        removes="the rest of a refund that somebody asks for again",
        promise="I10",
        file=ENTRY,
        old="    if services.rests_on_the_way_back(order_id=order_id, after=RefundNotMade.code):\n",
        new="    if False:\n",
        killers=(f"{REFUNDS}::test_who_cancels_or_pays_again_and_again_uses_up_no_try_of_the_refund",),
    ),
    Mutant(
        removes="what a lost dispute took from what can be refunded",
        promise="I4",
        file=REFUND,
        old=' + F("settled_minor") + F("lost_minor")\n',
        new=' + F("settled_minor")\n',
        killers=(f"{REFUNDS_MEANWHILE}::test_what_a_lost_dispute_took_is_not_refunded_again",),
    ),
    Mutant(
        removes="what a lost dispute took from what is owed",
        promise="I4",
        file=DISPUTES,
        old="    balance_owed(payment.pk)\n",
        new="",
        killers=(f"{REFUNDS_MEANWHILE}::test_what_is_owed_is_lowered_by_what_a_lost_dispute_gave_the_customer",),
    ),
    Mutant(
        removes="what is owed again once an appeal is won",
        promise="I4",
        file=OWED,
        old='"covered_minor": Greatest(promised - kept, Value(0))}',
        new='"covered_minor": Value(0)}',
        killers=(
            f"{APPEALS}::test_what_a_running_order_is_owed_is_owed_again_once_an_appeal_is_won",
            f"{APPEALS}::test_what_an_ended_order_is_owed_is_owed_again_once_an_appeal_is_won",
        ),
    ),
    Mutant(
        removes="what an appeal brings back of an order that was refunded",
        promise="I6",
        file=STEPS,
        old="    if payment.lost.minor:\n",
        new="    if False:\n",
        killers=(f"{APPEALS}::test_money_of_a_canceled_order_that_an_appeal_brings_back_is_owed",),
    ),
    Mutant(
        removes="what an appeal brings back of an order that was canceled unpaid",
        promise="I6",
        file="payments/services/void.py",
        old="            if payment.lost_minor:\n",
        new="            if False:\n",
        killers=(
            f"{DISPUTED_ORDERS}::test_a_canceled_unpaid_order_whose_money_was_taken_and_disputed_waits_for_the_bank",
        ),
    ),
    Mutant(
        removes="the news of a refund of what an appeal brought back",
        promise="I8",
        file=RECORD_REFUND,
        old="again=again or returned\n",
        new="again=again\n",
        killers=(
            f"{DISPUTED_ORDERS}::test_a_canceled_unpaid_order_whose_money_was_taken_and_disputed_waits_for_the_bank",
        ),
    ),
    Mutant(
        removes="the audit's eye for what is owed and forgotten",
        promise="I4",
        file=AUDIT,
        old=(
            '        "  OR p.covered_minor > p.lost_minor"\n'
            '        "  OR p.covered_minor > 0 AND p.captured_minor >'
            ' p.refunded_minor + p.settled_minor + p.owed_minor + p.lost_minor"\n'
        ),
        new="",
        killers=(f"{TOLD}::test_a_payment_that_says_otherwise_than_its_disputes_is_named",),
    ),
    Mutant(
        removes="the fee of a dispute from the two books",
        promise="I11",
        file=DISPUTES,
        old="    return dispute.withdrawn_minor, dispute.fee_minor, dispute.account_currency if moved",
        new="    return dispute.withdrawn_minor, 1500, dispute.account_currency if moved",
        killers=(f"{TOLD}::test_books_that_differ_in_a_cent_are_named_and_repaired",),
    ),
    Mutant(
        removes="the way back through the two books of disputes",
        promise="I11",
        file=BOOKS,
        old="        if dispute.provider_dispute_id not in listed and is_missing_there(dispute):\n",
        new="        if False:\n",
        killers=(f"{TOLD}::test_a_dispute_that_the_provider_has_never_heard_of_is_named",),
    ),
    Mutant(
        removes="the audit of what a payment says of its disputes",
        promise="I4",
        file=AUDIT,
        old="    if (payment.dispute_status, payment.lost_minor) == (status, lost):\n",
        new="    if True:\n",
        killers=(f"{TOLD}::test_a_payment_that_says_otherwise_than_its_disputes_is_named",),
    ),
    Mutant(
        removes="the audit of open disputes that nobody asks about",
        promise="I10",
        file=AUDIT,
        old='  AND (d.due_at >= now() - %(resolved)s) IS NOT TRUE"\n',
        new='  AND false"\n',
        killers=(f"{TOLD}::test_an_open_dispute_that_nobody_asks_about_is_named",),
    ),
    Mutant(
        removes="what the end of a dispute says of money that went back in full",
        promise="edge",
        file=HANDLERS,
        old="money_is_back=event.refunded_in_full\n",
        new="money_is_back=False\n",
        killers=(
            f"{LEFT_TO_STAFF}::test_a_parcel_whose_money_went_back_in_full_is_left_to_staff_by_the_end_of_its_dispute",
        ),
    ),
    Mutant(
        removes="the hearing of a disputed payment that went back in full",
        promise="edge",
        file=HANDLERS,
        old="    if event.full:\n",
        new="    if False:\n",
        killers=(
            f"{LEFT_TO_STAFF}::test_a_parcel_whose_money_went_back_in_full_is_left_to_staff_by_the_end_of_its_dispute",
        ),
    ),
    Mutant(
        removes="what a dispute's end counts as gone back in full",
        promise="edge",
        file=DISPUTES,
        old="    return 0 < payment.captured_minor <= gone\n",
        new="    return False\n",
        killers=(f"{TOLD}::test_the_end_of_an_inquiry_that_was_refunded_says_that_the_money_went_back_in_full",),
    ),
    Mutant(
        removes="what the bank has returned from the mail of a canceled order",
        promise="edge",
        file="orders/queries.py",
        old="        by_bank=payment.lost,\n",
        new="        by_bank=Money.zero(currency),\n",
        killers=(
            f"{DISPUTED_ORDERS}::test_a_lost_order_that_has_not_left_is_canceled_by_staff_without_a_second_refund",
            f"{PARCELS_AND_STORIES}::test_what_the_bank_returned_beside_our_refund_is_told_as_such",
        ),
    ),
    Mutant(
        removes="what the bank has returned from the story of a canceled order",
        promise="edge",
        file="orders/story.py",
        old="    if payment is None or not payment.lost.minor:\n",
        new="    if True:\n",
        killers=(
            f"{DISPUTED_ORDERS}::test_a_lost_order_that_has_not_left_is_canceled_by_staff_without_a_second_refund",
        ),
    ),
    Mutant(
        removes="the whole of the money from the story of an order that goes on",
        promise="edge",
        file="orders/story.py",
        old="            if returned >= order.total.minor:\n",
        new="            if False:\n",
        killers=(f"{PARCELS_AND_STORIES}::test_the_story_tells_a_part_the_rest_and_all_of_the_money_apart",),
    ),
    Mutant(
        removes="the figure of refused refunds without those made good for",
        promise="edge",
        file="payments/queries.py",
        old="Q(Exists(keeps)) & ~Q(Exists(sent_again",
        new="~Q(Exists(keeps)) | Q(Exists(sent_again",
        killers=(f"{REFUNDS_MEANWHILE}::test_the_dashboard_counts_a_refused_refund_until_its_money_went_back",),
    ),
    Mutant(
        removes="the patience of a cancel that a dispute overtook",
        promise="I10",
        file=STEPS,
        old="look_again_seconds=DISPUTE_SECONDS, until_deadline=False)",
        new="look_again_seconds=DISPUTE_SECONDS)",
        killers=(f"{DISPUTED_ORDERS}::test_a_cancel_that_the_dispute_overtook_waits_for_the_bank_and_ends_with_it",),
    ),
    Mutant(
        removes="the refusal to cancel an order whose payment is disputed",
        promise="I6",
        file=ENTRY,
        old="    if payment is not None and payment.is_charged_back and get_order(order_id=order_id).status == OrderStatus.CONFIRMED:\n",
        new="    if False:\n",
        killers=(f"{DISPUTED_ORDERS}::test_a_disputed_order_is_not_canceled_with_a_refund",),
    ),
    Mutant(
        removes="the return of stock before the refund that a dispute keeps waiting",
        promise="I5",
        file="orders/sagas/checkout.py",
        old="        Step(return_stock),\n        Step(refund_payment, then=OrderStatus.REFUNDED),\n",
        new="        Step(refund_payment),\n        Step(return_stock, then=OrderStatus.REFUNDED),\n",
        killers=(f"{DISPUTED_ORDERS}::test_a_cancel_that_the_dispute_overtook_waits_for_the_bank_and_ends_with_it",),
    ),
    Mutant(
        removes="the release of stock while a dispute keeps its money",
        promise="I5",
        file=STEPS,
        old="        release_stock(order)\n        raise _wait_for_the_bank()",
        new="        raise _wait_for_the_bank()",
        killers=(
            f"{DISPUTED_ORDERS}::test_a_canceled_unpaid_order_whose_money_was_taken_and_disputed_waits_for_the_bank",
        ),
    ),
    Mutant(
        removes="the release of stock while its refund is refused",
        promise="I5",
        file=STEPS,
        old="        release_stock(order)\n        raise _look_before_next_try(order, refusal)",
        new="        raise _look_before_next_try(order, refusal)",
        killers=(
            f"{DISPUTED_ORDERS}::test_stock_of_a_canceled_unpaid_order_does_not_wait_for_a_refund_that_is_refused",
        ),
    ),
)
