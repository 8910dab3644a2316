"""What becomes of the mails behind one that takes too long, or fails at the database."""

from contextlib import suppress

import psycopg
import pytest
from django.core import mail
from django.db import OperationalError, connections
from django.utils import timezone

from notifications import gateways
from notifications.models import Email
from notifications.services import sending
from shop import transactions
from shop.work import background, handover, turn
from tests.integration.notifications.handed_over import finish, queue

pytestmark = pytest.mark.usefixtures("own_thread")


def test_database_that_fails_has_no_mail_sent_that_cannot_be_recorded(placed_order, monkeypatch, woken):
    def fail(*_asked, **_more):
        raise OperationalError("server closed the connection unexpectedly")

    orders = [placed_order() for _each in range(3)]
    monkeypatch.setattr(sending, "_record_sent", fail)
    monkeypatch.setattr("orders.api.get_order", fail)

    queue(*orders)
    finish()

    assert len(mail.outbox) == 1, "the one that was sent as the database failed"


def test_session_that_is_lost_costs_the_mails_behind_nothing(placed_order, monkeypatch, woken):
    send = gateways.send

    def lose_session(message):
        send(message)
        if len(mail.outbox) == 2:  # the first one has opened the session and is recorded
            session = connections[transactions.alias_for("notifications")].connection
            with suppress(psycopg.OperationalError):
                session.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    monkeypatch.setattr(gateways, "send", lose_session)

    queue(*(placed_order() for _each in range(4)))
    finish()

    assert len(mail.outbox) == 4
    assert sorted(Email.objects.values_list("status", flat=True)) == ["PENDING", "SENT", "SENT", "SENT"]


@pytest.mark.parametrize("ends", [True, False])
def test_mails_behind_one_that_takes_too_long_are_due_for_other_processes(placed_order, held_up, woken, ends):
    queue(*(placed_order() for _each in range(3)))
    assert held_up.arrives()

    handover.give_back()
    assert not Email.objects.filter(due_at__lte=timezone.now()), "there is time left"
    if not ends:
        (portion,) = turn._under_way
        portion.ends = 0.0
    handover.give_back(all_of_them=ends)

    due = Email.objects.filter(due_at__lte=timezone.now())
    assert [email.attempts for email in due] == [0, 0]
    held_up()
    finish()
    assert len(mail.outbox) == 1, "none of those that were given back"
    assert sending.send_due_emails() == 2


def test_mails_that_wait_behind_others_for_too_long_are_due_for_other_processes(placed_order, held_up, woken):
    queue(placed_order())
    assert held_up.arrives()
    queue(placed_order())
    (waiting,) = background._runner()._errands

    waiting._portion.ends = 0.0  # type: ignore[attr-defined]  # a handover's
    handover.give_back()

    assert [email.attempts for email in Email.objects.filter(due_at__lte=timezone.now())] == [0]
    held_up()
    finish()
    assert len(mail.outbox) == 1


def test_mails_whose_giving_back_nobody_confirmed_are_not_begun(placed_order, held_up, woken, monkeypatch):
    give_back = sending.EMAILS.give_back

    def lose_the_answer(*claimed):
        give_back(*claimed)
        raise OperationalError("server closed the connection unexpectedly")

    queue(*(placed_order() for _each in range(3)))
    assert held_up.arrives()
    with monkeypatch.context() as patched:
        patched.setattr(type(sending.EMAILS), "give_back", lambda _rows, *claimed: lose_the_answer(*claimed))
        handover.give_back(all_of_them=True)

    held_up()
    finish()

    assert len(mail.outbox) == 1, "another process may have the others"
    assert sending.send_due_emails() == 2


def test_what_waits_for_too_long_waits_once_however_long_the_database_is_away(
    placed_order, held_up, monkeypatch, woken
):
    queue(placed_order())
    assert held_up.arrives()
    queue(placed_order())
    runner = background._runner()
    (waiting,) = runner._errands
    waiting._portion.ends = 0.0  # type: ignore[attr-defined]  # a handover's

    def fail(_rows, *_claimed):
        raise OperationalError("server closed the connection unexpectedly")

    with monkeypatch.context() as patched:
        patched.setattr(type(sending.EMAILS), "give_back", fail)
        for _look in range(3):
            handover.give_back()

    assert (len(runner._errands), len(runner._later)) == (1, 0)
    held_up()
    finish()
    assert len(mail.outbox) == 1
    assert sending.send_due_emails() == 1
