"""Guards on accounts: whose an address is, what a token may do alone, who is locked out by wrong passwords."""

from __future__ import annotations

from tests.proof.mutants.mutant import Mutant

ADDRESSES = "tests/proof/security/test_addresses.py"
MAILING = "tests/integration/shop/test_account_mailing.py"
SPELLING = "tests/proof/security/test_one_spelling.py"

MUTANTS = (
    Mutant(
        removes="the shop's words from mails about accounts",
        promise="edge",
        file="shop/accounts/signup.py",
        old="        built.attach_alternative(",
        new="        built = super().render_mail(template_prefix, email, context, headers)\n        built.attach_alternative(",
        killers=("tests/unit/shop/test_account_mails.py::test_a_mail_has_the_shops_layout_and_voice_in_both_parts",),
    ),
    Mutant(
        removes="the end of a change of address that was begun under another password",
        promise="edge",
        file="shop/accounts/addresses.py",
        old='f"{user.password} {user.email}"',
        new='f"{user.email}"',
        killers=(f"{ADDRESSES}::test_a_change_that_was_begun_before_a_new_password_ends_with_it",),
    ),
    Mutant(
        removes="the way out for what an earlier release noted of unconfirmed addresses",
        promise="edge",
        file="shop/accounts/signup.py",
        old="        _forget_unconfirmed(cleaned)\n",
        new="",
        killers=(f"{ADDRESSES}::test_what_an_earlier_release_noted_of_an_unconfirmed_address_counts_for_nothing",),
    ),
    Mutant(
        removes="the mail to the address that an account had",
        promise="edge",
        file="shop/accounts/addresses.py",
        old="        for each in sorted(former):",
        new="        for each in ():",
        killers=(f"{ADDRESSES}::test_the_address_that_an_account_had_is_told_of_the_change",),
    ),
    Mutant(
        removes="the password that a change of an account asks for",
        promise="edge",
        file="config/settings/base.py",
        old="ACCOUNT_REAUTHENTICATION_REQUIRED = True",
        new="ACCOUNT_REAUTHENTICATION_REQUIRED = False",
        killers=(f"{ADDRESSES}::test_a_token_alone_changes_nothing_of_an_account",),
    ),
    Mutant(
        removes="the place from what wrong passwords are counted by",
        promise="edge",
        file="shop/accounts/signup.py",
        old='f"{ratelimit.get_ip(request)} {_address_in(credentials)}"',
        new="_address_in(credentials)",
        killers=(f"{ADDRESSES}::test_a_stranger_who_guesses_locks_out_himself_and_nobody_else",),
    ),
    Mutant(
        removes="the limit of wrong passwords from everywhere",
        promise="edge",
        file="shop/accounts/signup.py",
        old="        if here is None or everywhere is None:",
        new="        if False:",
        killers=(f"{ADDRESSES}::test_guesses_from_many_places_at_one_address_come_to_an_end",),
    ),
    Mutant(
        removes="the small letters of an address",
        promise="edge",
        file="shop/accounts/users.py",
        old="        self.email = self.email.lower()\n",
        new="",
        killers=(f"{SPELLING}::test_the_admin_keeps_an_address_in_small_letters_and_signs_it_in",),
    ),
    Mutant(
        removes="the stop of a migration at two spellings of an address",
        promise="edge",
        file="shop/migrations/0006_one_spelling_of_an_address.py",
        old="    if found:\n",
        new="    if False:\n",
        killers=(f"{SPELLING}::test_migrating_names_accounts_with_one_address_and_changes_nothing",),
    ),
    Mutant(
        removes="the return of the session before a mail about an account is sent",
        promise="edge",
        file="shop/accounts/mailing.py",
        old="    transactions.go_outside()\n",
        new="",
        killers=(f"{MAILING}::test_no_session_is_held_while_the_mail_server_is_waited_for",),
    ),
    Mutant(
        removes="the bound on mails about accounts that are under way",
        promise="edge",
        file="shop/accounts/mailing.py",
        old="        raise AccountMailUnsent\n    try:\n",
        new="        pass\n    try:\n",
        killers=(f"{MAILING}::test_whose_mail_would_wait_behind_too_many_is_told_at_once",),
    ),
)
