"""Mutants of what keeps a guest from being an account, a link from opening more than one order, and an order from being anybody's."""

from __future__ import annotations

from tests.proof.mutants.mutant import Mutant

GUESTS = "tests/proof/security/test_guests.py"
LINKS = "tests/proof/security/test_order_links.py"
ALONG = "tests/proof/security/test_guests_taken_along.py"
PLACING = "orders/services/place_order.py"
OPENING = "orders/services/order_links.py"
LOOKUPS = "notifications/services/order_links.py"

MUTANTS = (
    Mutant(
        removes="the backend of its own in a guest's session",
        promise="edge",
        file="shop/accounts/guests.py",
        old='SESSIONS_OF_GUESTS = "shop.accounts.guests"',
        new='SESSIONS_OF_GUESTS = "django.contrib.auth.backends.ModelBackend"',
        killers=(f"{GUESTS}::test_a_guests_token_is_nobodys_at_the_accounts_addresses",),
    ),
    Mutant(
        removes="the question whether a guest's session is a guest's",
        promise="edge",
        file="shop/accounts/sessions.py",
        old="    is_known = backend == SESSIONS_OF_GUESTS if user.is_guest else backend in settings.AUTHENTICATION_BACKENDS\n",
        new="    is_known = backend == SESSIONS_OF_GUESTS or backend in settings.AUTHENTICATION_BACKENDS\n",
        killers=(f"{GUESTS}::test_a_guests_session_opens_no_account_and_an_accounts_no_guest",),
    ),
    Mutant(
        removes="the refusal of staff who change a guest",
        promise="edge",
        file="shop/admin/people.py",
        old=" and not (isinstance(obj, User) and obj.is_guest)",
        new="",
        killers=(f"{GUESTS}::test_staff_see_a_guest_and_change_nothing_of_it",),
    ),
    Mutant(
        removes="the one mailbox of a guest",
        promise="edge",
        file="orders/rest/serializers.py",
        old="    if customer.is_guest and validated",
        new="    if False and validated",
        killers=(f"{GUESTS}::test_a_guests_mails_go_to_the_guest",),
    ),
    Mutant(
        removes="the count of what guests of one mailbox have open",
        promise="edge",
        file=PLACING,
        old="    unpaid = counted[0] if counted else 0\n",
        new="    unpaid = 0\n",
        killers=(f"{GUESTS}::test_guests_of_one_mailbox_have_as_many_open_orders_as_one_customer",),
    ),
    Mutant(
        removes="the guests from an erasure by address",
        promise="edge",
        file="shop/personal/accounts.py",
        old="        guests=tuple(each for each in guests if each != user_id),\n",
        new="        guests=(),\n",
        killers=(f"{GUESTS}::test_an_erasure_by_address_closes_the_guests_and_erases_their_orders_whole",),
    ),
    Mutant(
        removes="the one order that a link opens",
        promise="edge",
        file="orders/rest/views.py",
        old='        if isinstance(request.user, LinkHolder) and request.user.order_id != kwargs["order_id"]:\n',
        new="        if False:\n",
        killers=(f"{LINKS}::test_a_link_opens_nothing_else_of_the_same_customer",),
    ),
    Mutant(
        removes="the end of a link",
        promise="edge",
        file=OPENING,
        old=", max_age=timedelta(days=settings.ORDER_LINK_DAYS))",
        new=")",
        killers=(f"{LINKS}::test_a_link_ends_with_its_time",),
    ),
    Mutant(
        removes="the epoch of a link",
        promise="edge",
        file=OPENING,
        old="filter(pk=order_id, link_epoch=epoch)",
        new="filter(pk=order_id)",
        killers=(
            f"{LINKS}::test_staff_revoke_the_links_of_an_order_and_later_mails_hold_new_ones",
            f"{LINKS}::test_the_mail_of_an_accounts_order_holds_a_link_without_a_token",
        ),
    ),
    Mutant(
        removes="the address from who gets a link by mail",
        promise="edge",
        file=LOOKUPS,
        old=" or recipient_key(order.email) != request.recipient_key",
        new="",
        killers=(f"{LINKS}::test_a_miss_is_answered_and_costs_as_a_hit_and_mails_nobody",),
    ),
    Mutant(
        removes="the limit of mails with the link of one order",
        promise="edge",
        file="notifications/sql/admit_link.sql",
        old="asked.order_id IS NOT NULL",
        new="true",
        killers=(f"{LINKS}::test_the_link_of_one_order_is_mailed_once_in_a_while",),
    ),
    Mutant(
        removes="the proof of a mailbox from who takes orders along",
        promise="edge",
        file="shop/accounts/verified.py",
        old="filter(user_id=user_id, verified=True)",
        new="filter(user_id=user_id)",
        killers=(f"{ALONG}::test_nobody_else_takes_an_order_along",),
    ),
    Mutant(
        removes="the look for a guest's key before its order is placed",
        promise="I7",
        file=PLACING,
        old="    if find_placed_order(new=new) is not None:\n",
        new="    if False:\n",
        killers=(f"{ALONG}::test_a_repeated_request_of_the_guest_meets_its_order_and_places_no_second_one",),
    ),
    Mutant(
        removes="the lock under which a guest's order is placed",
        promise="I7",
        file=PLACING,
        old="    lock_orders_of(new.customer_id)\n",
        new="",
        killers=(f"{ALONG}::test_a_request_that_waits_while_its_order_is_taken_along_places_no_second_one",),
    ),
    Mutant(
        removes="the compare-and-set of who has a guest's order",
        promise="edge",
        file="orders/sql/take_along.sql",
        old="WHERE customer_id = %(guest_id)s::uuid AND guest_id IS NULL",
        new="WHERE %(guest_id)s::uuid IN (customer_id, guest_id)",
        killers=(
            f"{ALONG}::test_of_two_accounts_one_takes_an_order_along",
            f"{ALONG}::test_taking_along_is_told_once_and_ends_the_links",
        ),
    ),
    Mutant(
        removes="the look at an erased account before a guest's orders are its own",
        promise="edge",
        file="shop/personal/guests.py",
        old="    if account is not None and not is_erased(account):\n",
        new="    if True:\n",
        killers=(f"{ALONG}::test_an_account_that_is_erased_meanwhile_takes_nothing_along",),
    ),
)
