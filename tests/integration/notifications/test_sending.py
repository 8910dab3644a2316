"""An email is sent once, retried when the mail server fails, and never felt by the order."""

import logging
import threading
from datetime import timedelta
from smtplib import SMTPAuthenticationError, SMTPDataError, SMTPRecipientsRefused, SMTPServerDisconnected

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.core import mail
from django.db import connections
from django.db.models.functions import Now

from notifications import rules
from notifications.models import Email, Outbox
from notifications.queries import tell_story
from notifications.services import emails, sending
from orders.models import Order
from shop import transactions
from shop.ids import new_id
from shop.work.rows import Claimed
from tests.integration.notifications.emails import ADDRESS, make_due
from tests.integration.notifications.records import facts_of


@pytest.mark.usefixtures("long_backoff")
def test_failure_is_tried_again_and_the_order_does_not_feel_it(queued_email, mail_server):
    email = queued_email()
    mail_server.trouble = [SMTPServerDisconnected("bye"), TimeoutError(f"no answer for {ADDRESS}")]

    for attempts in (1, 2):
        assert sending.send_due_emails() == 1
        assert sending.send_due_emails() == 0
        email.refresh_from_db()
        assert (email.status, email.attempts) == ("PENDING", attempts)
        assert f"attempt {attempts + 1} of" in tell_story(email.order_id).upcoming[0].what
        make_due(email)
    sending.send_due_emails()

    email.refresh_from_db()
    assert (email.status, email.due_at, email.last_error) == ("SENT", None, "")
    assert len(mail.outbox) == 1
    assert Order.objects.get(pk=email.order_id).status == "CONFIRMED"


def test_email_that_fails_every_time_is_given_up_and_sent_again_by_staff(queued_email, mail_server):
    email = queued_email()
    mail_server.trouble = [OSError("down")] * rules.MAX_ATTEMPTS

    for _attempt in range(rules.MAX_ATTEMPTS):
        make_due(email)
        sending.send_due_emails()

    email.refresh_from_db()
    assert (email.status, email.due_at) == ("FAILED", None)
    assert "staff decide" in tell_story(email.order_id).upcoming[0].what
    assert Order.objects.get(pk=email.order_id).status == "CONFIRMED"
    assert not mail.outbox

    emails.send_again(email_id=email.pk)
    sending.send_due_emails()

    email.refresh_from_db()
    assert email.status == "SENT"
    assert facts_of(email) == ["email.queued", "email.failed", "email.queued", "email.sent"]
    assert len(mail.outbox) == 1


@pytest.mark.parametrize(
    ("trouble", "status"),
    [
        (SMTPRecipientsRefused({ADDRESS: (550, b"no such user " + ADDRESS.encode())}), "FAILED"),
        (SMTPRecipientsRefused({ADDRESS: (450, b"greylisted " + ADDRESS.encode())}), "PENDING"),
        (SMTPDataError(554, b"rejected"), "FAILED"),
        (SMTPDataError(451, b"try again"), "PENDING"),
        (SMTPAuthenticationError(535, b"bad password"), "PENDING"),
        (ValueError(f"a bug of a backend with {ADDRESS}"), "PENDING"),
    ],
)
def test_only_what_is_refused_for_good_is_given_up_at_once(trouble, status, queued_email, mail_server):
    email = queued_email()
    mail_server.trouble = [trouble]

    sending.send_due_emails()

    email.refresh_from_db()
    assert email.status == status
    assert type(trouble).__name__ in email.last_error
    assert ADDRESS not in email.last_error


def test_address_is_neither_kept_nor_logged(queued_email, mail_server, caplog, capsys):
    caplog.set_level(logging.DEBUG)
    email = queued_email()
    mail_server.trouble = [SMTPRecipientsRefused({ADDRESS: (450, b"<ada@example.com>: later")})]

    sending.send_due_emails()
    make_due(email)
    sending.send_due_emails()

    kept = [str(row) for model in (Email, Outbox) for row in model.objects.values()]
    said = caplog.text + "".join(capsys.readouterr())
    assert len(mail.outbox) == 1
    assert ADDRESS not in "".join(kept) + said
    assert "Lovelace" not in "".join(kept) + said


@pytest.mark.parametrize("address", ["ada@example.com\nBcc: eve@example.com", "ada@example.com, eve@example.com", ""])
def test_address_that_smuggles_headers_or_recipients_gets_no_mail(address, queued_email):
    email = queued_email(email=address)

    sending.send_due_emails()

    email.refresh_from_db()
    assert email.status == "FAILED"
    assert "example.com" not in email.last_error
    assert not mail.outbox


def test_crash_after_the_mail_server_took_it_sends_a_copy_with_the_same_message_id(queued_email, mail_server):
    class PowerCut(BaseException):
        pass

    email = queued_email()
    mail_server.accepts_first = True
    mail_server.trouble = [PowerCut()]
    with pytest.raises(PowerCut):
        sending.send_due_emails()
    email.refresh_from_db()
    assert (email.status, email.attempts) == ("PENDING", 1)

    make_due(email)
    sending.send_due_emails()

    email.refresh_from_db()
    assert email.status == "SENT"
    assert len({sent.message()["Message-ID"] for sent in mail.outbox}) == 1


def test_email_that_kills_its_worker_every_time_is_given_up(queued_email):
    email = queued_email()
    Email.objects.filter(pk=email.pk).update(attempts=rules.MAX_ATTEMPTS)

    sending.send_due_emails()

    email.refresh_from_db()
    assert email.status == "FAILED"
    assert not mail.outbox


def test_sweeps_at_once_on_real_connections_send_each_email_once(queued_email):
    queued = [queued_email() for _order in range(15)]
    barrier = threading.Barrier(4)

    def sweep():
        barrier.wait()
        sending.send_due_emails()
        connections.close_all()

    threads = [threading.Thread(target=sweep) for _worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    ids = sorted(sent.message()["Message-ID"] for sent in mail.outbox)
    assert ids == sorted(f"<{email.pk}@shop.example>" for email in queued)
    assert set(Email.objects.values_list("status", flat=True)) == {"SENT"}


def test_order_that_cannot_be_read_gives_its_email_up(hear):
    hear("tell_customer_order_confirmed", new_id())

    sending.send_due_emails()

    assert "order_not_found" in Email.objects.get().last_error
    assert Email.objects.get().status == "FAILED"


@pytest.mark.parametrize("status", ["PENDING", "SENT"])
def test_only_an_email_that_was_given_up_is_sent_again(status, queued_email):
    email = queued_email()
    if status == "SENT":
        sending.send_due_emails()

    with pytest.raises(emails.EmailNotFailed):
        emails.send_again(email_id=email.pk)

    assert Email.objects.get(pk=email.pk).status == status


def claim_of(email: Email) -> Claimed[Email]:
    return Claimed(email.pk, email, email.attempts, email.due_at, email.due_at)


@pytest.mark.parametrize("status", ["SENT", "FAILED"])
@pytest.mark.parametrize("outcome", ["sent", "failed", "later"])
def test_outcome_that_comes_late_changes_nothing(outcome, status, queued_email):
    email = queued_email()
    record = {
        "sent": sending._record_sent,
        "failed": lambda row: sending._give_up(row, "late"),
        "later": lambda row: sending._try_later(claim_of(row), "late"),
    }
    record["sent" if status == "SENT" else "failed"](email)
    before = Email.objects.values().get(pk=email.pk)

    record[outcome](email)

    assert Email.objects.values().get(pk=email.pk) == before


def test_unknown_email_is_not_found(database):
    with pytest.raises(emails.EmailNotFound):
        emails.send_again(email_id=new_id())


def test_mail_is_never_sent_inside_a_transaction(queued_email):
    queued_email()

    with transactions.transaction("notifications"), pytest.raises(transactions.TransactionMisuse):
        sending.send_due_emails()

    assert not mail.outbox


def test_mail_server_that_fails_ends_the_turn_and_the_rest_stays_due(queued_email, mail_server, caplog):
    first, *rest = [queued_email() for _order in range(3)]
    mail_server.trouble = [TimeoutError("no answer")]

    assert sending.send_due_emails() == 1

    first.refresh_from_db()
    assert first.attempts == 1
    assert Email.objects.filter(pk__in=[one.pk for one in rest], attempts=0, due_at__lte=Now()).count() == 2
    assert "work.postponed" in caplog.text
    assert sending.send_due_emails() == 2
    assert len(mail.outbox) == 2


def test_mail_that_is_refused_does_not_end_the_turn(queued_email, mail_server):
    for _order in range(3):
        queued_email()
    mail_server.trouble = [SMTPDataError(554, b"rejected")]

    assert sending.send_due_emails() == 3
    assert len(mail.outbox) == 2


def test_worker_that_is_out_of_time_leaves_the_mail_to_its_lease(queued_email, mail_server):
    email = queued_email()
    mail_server.trouble = [SoftTimeLimitExceeded()]

    with pytest.raises(SoftTimeLimitExceeded):
        sending.send_due_emails()

    leased = Email.objects.filter(pk=email.pk, due_at__gt=Now() + timedelta(seconds=sending.LEASE_SECONDS - 60))
    assert leased.values_list("status", "attempts", "last_error").get() == ("PENDING", 1, "")
