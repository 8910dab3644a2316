"""Mutants of mail: of the limit of emails to people who never paid, and of that in time for a server that drips."""

from __future__ import annotations

from tests.proof.mutants.mutant import Mutant

LIMITS = "notifications/services/limits.py"
ADMIT = "notifications/sql/admit_email.sql"
SENDING = "notifications/services/sending.py"
TESTS = "tests/integration/notifications/test_limits.py"
STRANGER = f"{TESTS}::test_a_stranger_gets_so_many_emails_about_unpaid_orders_and_the_rest_is_withheld_with_its_reason"
OTHERS = f"{TESTS}::test_every_other_email_goes_though_nothing_more_goes_to_strangers"
SMTP = "shop/smtp.py"
DEADLINES = "shop/deadlines.py"
DRIPPING = "tests/unit/shop/test_deadlines.py"
FIRST = "tests/integration/notifications/test_confirmed_first.py"
COSTS = f"{FIRST}::test_a_claim_costs_the_same_in_a_backlog_whatever_the_statistics_say"
DUE_ROWS = "shop/work/rows.py"
LATER = f"{TESTS}::test_the_limit_is_one_of_time_and_staff_may_send_a_withheld_email_later"

MUTANTS = (
    Mutant(
        removes="the turn of confirmed orders' mails before all others",
        promise="I10",
        file=SENDING,
        old="    first=FIRST,\n",
        new="",
        killers=(f"{FIRST}::test_confirmed_order_is_told_before_the_canceled_ones_that_wait_longer_and_all_are_told",),
    ),
    Mutant(
        removes="the share of the claims that takes the oldest mails whatever goes first",
        promise="I10",
        file=DUE_ROWS,
        old="next(self._claims) % FAIR_CLAIM == 0",
        new="next(self._claims) % FAIR_CLAIM < 0",
        killers=(f"{FIRST}::test_a_share_of_the_claims_takes_the_oldest_however_many_confirmed_orders_wait",),
    ),
    Mutant(
        removes="the index by due_at from how due mails are found",
        promise="I10",
        file=SENDING,
        old="CASE WHEN status = 'PENDING' THEN TRUE END",
        new="status = 'PENDING'",
        killers=(COSTS,),
    ),
    Mutant(
        removes="the key from how claimed mails are written",
        promise="I10",
        file=DUE_ROWS,
        old=" AND claimed.{key} = ANY(ARRAY(SELECT {key} FROM due))",
        new="",
        killers=(COSTS,),
    ),
    Mutant(
        removes="the limit of emails about unpaid orders to one mailbox",
        promise="edge",
        file=SENDING,
        old="    if not limits.may_be_sent(email, order):\n",
        new="    if False:\n",
        killers=(STRANGER,),
    ),
    Mutant(
        removes="the lock of a mailbox whose emails are counted",
        promise="edge",
        file=LIMITS,
        old="    _LOCK.run(key=key)\n",
        new="",
        killers=(f"{TESTS}::test_two_workers_never_let_more_through_than_one_would",),
    ),
    Mutant(
        removes="the spellings of one mailbox from the limit of emails to it",
        promise="edge",
        file=LIMITS,
        old="same_mailbox(address), algorithm",
        new="address, algorithm",
        killers=(STRANGER,),
    ),
    Mutant(
        removes="the time in which emails to a mailbox count",
        promise="edge",
        file=ADMIT,
        old="                AND other.queued_at > now() - make_interval(secs => %(seconds)s::float8)\n",
        new="                AND %(seconds)s::float8 > 0\n",
        killers=(LATER,),
    ),
    Mutant(
        removes="what lets an email through that was let through before",
        promise="edge",
        file=ADMIT,
        old="        email.recipient_key = %(key)s::bigint\n        OR (",
        new="        (",
        killers=(f"{TESTS}::test_an_email_that_the_mail_server_refused_for_now_is_one_however_often_it_is_tried",),
    ),
    Mutant(
        removes="the kind from what decides whether an email is limited",
        promise="I8",
        file=LIMITS,
        old="    if email.kind != EmailKind.ORDER_CANCELED:",
        new="    if email.kind == EmailKind.ORDER_CONFIRMED:",
        killers=(OTHERS,),
    ),
    Mutant(
        removes="the payment from what decides whether a cancel is told",
        promise="I8",
        file=LIMITS,
        old=" or orders.was_paid(order_id=order.order_id)\n",
        new="\n",
        killers=(f"{TESTS}::test_who_paid_is_told_of_the_cancel_though_the_order_was_never_confirmed",),
    ),
    Mutant(
        removes="the count of emails that were withheld",
        promise="edge",
        file=SENDING,
        old="        metrics.WITHHELD.inc()\n",
        new="",
        killers=(STRANGER,),
    ),
    Mutant(
        removes="the audit of emails that were withheld from who paid",
        promise="I8",
        file="notifications/audit.py",
        old=" AND e.status = 'WITHHELD'\"\n",
        new=" AND e.status = 'NOTHING'\"\n",
        killers=("tests/integration/audit/test_planted.py",),
    ),
    Mutant(
        removes="the digest of the mailbox from what an erasure reaches",
        promise="edge",
        file="notifications/services/personal.py",
        old="            recipient_key=None,\n",
        new="",
        killers=(f"{TESTS}::test_an_erasure_forgets_which_mailbox_it_was",),
    ),
    Mutant(
        removes="the way for staff to send what was withheld",
        promise="edge",
        file="notifications/services/emails.py",
        old="expected={EmailStatus.FAILED, EmailStatus.WITHHELD}",
        new="expected={EmailStatus.FAILED}",
        killers=(LATER,),
    ),
    Mutant(
        removes="the limit in time of a whole sending at the mail server",
        promise="edge",
        file=SMTP,
        old="        with deadlines.within(SENDING_SECONDS, each=self.timeout):\n            return super().send_messages(email_messages)\n",
        new="        return super().send_messages(email_messages)\n",
        killers=(
            "tests/integration/notifications/test_dripping.py",
            f"{DRIPPING}::test_a_mail_server_that_drips_is_given_up_and_the_reason_told",
        ),
    ),
    Mutant(
        removes="the backend that limits a sending from what EMAIL_URL names",
        promise="edge",
        file="config/mail.py",
        old='        found["EMAIL_BACKEND"] = "shop.smtp.EmailBackend"\n',
        new="        pass\n",
        killers=("tests/unit/config/test_mail.py::test_whoever_sends_over_a_server_does_so_within_the_time_limit",),
    ),
    Mutant(
        removes="the limit in time of what is said over TLS",
        promise="edge",
        file=DEADLINES,
        old="    context.sslsocket_class = _Encrypted\n",
        new="",
        killers=(f"{DRIPPING}::test_an_encrypted_answer_that_drips_is_given_up",),
    ),
    Mutant(
        removes="the limit in time of each byte that is read",
        promise="edge",
        file=DEADLINES,
        old="        return _by_limit(self, super().recv_into, *arguments, **named)\n",
        new="        return super().recv_into(*arguments, **named)\n",
        killers=(f"{DRIPPING}::test_an_answer_over_http_that_drips_is_given_up",),
    ),
    Mutant(
        removes="the share of the time that a host's next address gets",
        promise="edge",
        file=DEADLINES,
        old="_current.limit.left() / (len(found) - number)",
        new="_current.limit.left()",
        killers=(f"{DRIPPING}::test_an_address_that_does_not_answer_leaves_time_for_the_next",),
    ),
    Mutant(
        removes="the limit in time of a whole call of the card provider",
        promise="edge",
        file="shop/kept_alive.py",
        old="        with deadlines.within(self._timeout_seconds):\n            return self._exchange(",
        new="        with deadlines.within(3600):\n            return self._exchange(",
        killers=(f"{DRIPPING}::test_an_answer_over_http_that_drips_is_given_up",),
    ),
)
