"""Mutants of what is promised to a person: that all of it is exported, that all of it is erased, and nothing of others."""

from __future__ import annotations

from tests.proof.mutants.mutant import Mutant

AFTERWARDS = "tests/proof/security/erasure/test_afterwards.py"
FOUND = "tests/proof/security/erasure/test_found.py"
RETENTION = "tests/proof/security/erasure/test_retention.py"
SECOND_REQUESTS = "tests/proof/security/erasure/test_second_requests.py"
BY_STAFF = "tests/proof/security/erasure/test_staff.py"
WAITING = "tests/proof/security/erasure/test_waiting.py"
WHOLE_PERSON = "tests/proof/security/erasure/test_whole.py"
ERASURE = "shop/personal/erasure.py"
ACCOUNTS = "shop/personal/accounts.py"
ORDERS = "orders/services/personal.py"
WHOLE = f"{WHOLE_PERSON}::test_an_export_holds_all_that_is_found_and_an_erasure_leaves_nothing"
LATER = f"{SECOND_REQUESTS}::test_an_erasure_reaches_nothing_that_came_after_it"
WAITS = f"{WAITING}::test_an_ended_order_that_still_needs_its_data_waits"

MUTANTS = (
    Mutant(
        removes="the last look of an erasure",
        promise="edge",
        file=ERASURE,
        old="    finished = settled and not waiting",
        new="    finished = not waiting",
        killers=(f"{WHOLE_PERSON}::test_an_order_that_a_request_under_way_still_places_is_erased_as_well",),
    ),
    Mutant(
        removes="the wait of an erasure for orders that still need their data",
        promise="edge",
        file=ERASURE,
        old="    free = [each for each in found if each.order_id not in waiting]\n",
        new="    free = list(found)\n",
        killers=(WAITS,),
    ),
    Mutant(
        removes="the statuses from what an erasure of contacts asks for",
        promise="edge",
        file=ORDERS,
        old="filter(~_UNFINISHED, pk__in=order_ids, status__in=ENDED)",
        new="filter(pk__in=order_ids)",
        killers=(f"{WHOLE_PERSON}::test_no_context_erases_what_is_under_way_whoever_asks",),
    ),
    Mutant(
        removes="the place of who finds the orders, behind all others",
        promise="edge",
        file="shop/personal/keepers.py",
        old="key=lambda keeper: (keeper.context in _registry.books, keeper.context))",
        new="key=lambda keeper: keeper.context not in _registry.books)",
        killers=(f"{FOUND}::test_an_order_that_is_half_erased_is_found_again",),
    ),
    Mutant(
        removes="the end of an erased account's sessions",
        promise="edge",
        file=ACCOUNTS,
        old="        if keys:\n",
        new="        if False:\n",
        killers=(f"{AFTERWARDS}::test_nobody_signs_in_any_more_and_the_address_is_free",),
    ),
    Mutant(
        removes="the password of an erased account",
        promise="edge",
        file=ACCOUNTS,
        old="                password=make_password(None),\n                is_active=False,\n",
        new="",
        killers=(f"{AFTERWARDS}::test_a_closed_account_opens_to_no_password_and_no_token",),
    ),
    Mutant(
        removes="the answers that staff got about a person's orders",
        promise="edge",
        file=ACCOUNTS,
        old=" | placed | of_orders)",
        new=" | placed)",
        killers=(WHOLE,),
    ),
    Mutant(
        removes="the confirmation of the addresses that find orders",
        promise="edge",
        file=ACCOUNTS,
        old="for found in own if found.verified}",
        new="for found in own}",
        killers=(f"{FOUND}::test_an_address_that_an_account_never_confirmed_finds_nobody_else_s_orders",),
    ),
    Mutant(
        removes="the account of who placed an order from what its recipient's erasure leaves alone",
        promise="edge",
        file=ERASURE,
        old="for each in received], whole=False)",
        new="for each in received], whole=True)",
        killers=(f"{FOUND}::test_an_order_that_somebody_else_placed_loses_its_recipient_only",),
    ),
    Mutant(
        removes="the account from what makes a second erasure the first one",
        promise="edge",
        file=ERASURE,
        old="        same = Q(user_id=person.user_id)\n",
        new="        same = Q(pk__isnull=False)\n",
        killers=(f"{SECOND_REQUESTS}::test_a_second_erasure_closes_the_account_that_it_names",),
    ),
    Mutant(
        removes="the later orders from what makes a second erasure one of its own",
        promise="edge",
        file=ERASURE,
        old=" and set(found) <= set(find_orders(_person_in(row)))",
        new="",
        killers=(f"{SECOND_REQUESTS}::test_a_second_request_reaches_the_orders_that_came_since",),
    ),
    Mutant(
        removes="the moment of asking from the orders that an address finds",
        promise="edge",
        file=ORDERS,
        old="        if person.before is not None:\n",
        new="        if False:\n",
        killers=(LATER, f"{SECOND_REQUESTS}::test_an_order_under_way_that_came_after_it_keeps_no_erasure_open"),
    ),
    Mutant(
        removes="the moment of asking from the staff's trail that an address finds",
        promise="edge",
        file=ACCOUNTS,
        old="    if person.before is not None:\n",
        new="    if False:\n",
        killers=(LATER,),
    ),
    Mutant(
        removes="the orders from the kept answers of others that an address finds",
        promise="edge",
        file=ACCOUNTS,
        old="        if any(order_id in body for order_id in about)\n",
        new="",
        killers=(f"{SECOND_REQUESTS}::test_an_answer_about_a_later_order_is_kept_for_who_placed_it",),
    ),
    Mutant(
        removes="the account that is signed in from the sessions that an address finds",
        promise="edge",
        file=ACCOUNTS,
        old="(owner is None and any(email in text for email in wanted))",
        new="any(email in text for email in wanted)",
        killers=(LATER,),
    ),
    Mutant(
        removes="the minutes after which an erasure looks again for an event that is young",
        promise="edge",
        file=ERASURE,
        old="    shortly = not waiting or any(isinstance(reason, Shortly) for reason in waiting.values())\n",
        new="    shortly = not waiting\n",
        killers=(f"{WAITING}::test_an_event_of_the_last_minutes_is_named_and_waited_for_no_longer_than_that",),
    ),
    Mutant(
        removes="the publication from how old an event is that an erasure waits for",
        promise="edge",
        file="shop/personal/facts.py",
        old="fact.published_at > present - SETTLED",
        new="fact.occurred_at > present - SETTLED",
        killers=(f"{WAITING}::test_an_event_that_was_published_minutes_after_it_occurred_is_waited_for",),
    ),
    Mutant(
        removes="the wait of an erasure for deliveries that are tried again or dead",
        promise="edge",
        file="shop/personal/facts.py",
        old="            yield by_id[event_id], subscriber\n",
        new="            pass\n",
        killers=(f"{WAITING}::test_an_order_waits_for_whoever_has_yet_to_apply_one_of_its_events",),
    ),
    Mutant(
        removes="the wait of an erasure for messages at the broker",
        promise="edge",
        file="shop/personal/facts.py",
        old="        yield by_id[missing.fact.event_id], missing.subscribers[0]\n",
        new="        pass\n",
        killers=(f"{WAITING}::test_an_order_waits_for_whoever_has_yet_to_apply_one_of_its_events",),
    ),
    Mutant(
        removes="the blank in place of an erased tracking number in answers",
        promise="edge",
        file="orders/rest/serializers.py",
        old='"" if order.erased else order.tracking_number',
        new="order.tracking_number",
        killers=(f"{AFTERWARDS}::test_an_erased_order_answers_no_tracking_number",),
    ),
    Mutant(
        removes="the refusal to mail who is erased",
        promise="edge",
        file="notifications/services/sending.py",
        old="    if order.erased:\n",
        new="    if False:\n",
        killers=(f"{AFTERWARDS}::test_no_mail_and_no_parcel_goes_to_who_is_erased",),
    ),
    Mutant(
        removes="the reach of who may erase people",
        promise="edge",
        file="shop/admin/people.py",
        old="            if not may_touch(request.user, user):\n",
        new="            if False:\n",
        killers=(f"{BY_STAFF}::test_staff_erase_nobody_who_may_more_than_they",),
    ),
    Mutant(
        removes="the orders that wait from what the retention of contacts passes over",
        promise="edge",
        file="shop/personal/retention.py",
        old="[each for each in page.order_ids if each not in waiting]",
        new="page.order_ids",
        killers=(f"{RETENTION}::test_retention_leaves_an_order_alone_whose_money_is_not_settled",),
    ),
)
