"""A mail is sent by the process that queued it, without a sweep; what that process does not begin is the sweep's."""

import time
from datetime import timedelta
from smtplib import SMTPServerDisconnected

import pytest
from django.core import mail
from django.utils import timezone

from notifications.models import Email, EmailKind
from notifications.services import emails, sending
from orders import api as orders
from shop import transactions
from shop.work import background, handover, turn
from tests.integration.notifications.emails import FACTS
from tests.integration.notifications.handed_over import SWEEP, finish, queue

pytestmark = pytest.mark.usefixtures("own_thread")


@pytest.mark.parametrize("handler", FACTS)
def test_mail_is_sent_without_a_sweep(handler, placed_order, hear, woken):
    hear(handler, placed_order())

    finish()

    assert len(mail.outbox) == 1
    email = Email.objects.get()
    assert (email.status, email.attempts, email.due_at) == ("SENT", 1, None)
    assert woken == []


def test_mail_that_is_handed_over_is_not_the_sweeps(placed_order, stalled, woken):
    queue(placed_order())

    assert sending.send_due_emails() == 0

    stalled()
    finish()
    assert len(mail.outbox) == 1


def test_mail_of_a_process_that_ends_is_due_for_the_sweep(placed_order, monkeypatch, woken):
    monkeypatch.setattr(background._Runner, "_run_errands", lambda _runner: None)
    queue(placed_order())

    background.finish()

    email = Email.objects.get()
    assert email.due_at <= timezone.now()
    assert email.attempts == 0
    assert sending.send_due_emails() == 1
    assert len(mail.outbox) == 1


def test_mail_that_waited_too_long_is_left_to_the_sweep(placed_order, monkeypatch, woken):
    monkeypatch.setattr(handover, "BEGIN_WITHIN_SECONDS", -1.0)
    queue(placed_order())

    finish()

    assert mail.outbox == []
    assert Email.objects.get().due_at <= timezone.now()
    assert sending.send_due_emails() == 1


def test_mail_of_a_process_that_died_is_sent_when_its_lease_ends(placed_order, stalled, woken, monkeypatch):
    queue(placed_order())
    background._runner()._errands.clear()  # as its death does
    stalled()
    assert sending.send_due_emails() == 0

    Email.objects.update(due_at=timezone.now() - timedelta(seconds=1))

    assert sending.send_due_emails() == 1
    assert len(mail.outbox) == 1
    assert Email.objects.get().attempts == 2


def test_mail_that_the_server_did_not_take_is_tried_later(placed_order, mail_server, woken):
    mail_server.trouble.append(SMTPServerDisconnected("gone"))
    queue(placed_order())

    finish()

    email = Email.objects.get()
    assert (email.status, email.attempts) == ("PENDING", 1)
    assert timezone.now() < email.due_at < timezone.now() + timedelta(seconds=sending.LEASE_SECONDS / 2)
    assert "gone" in email.last_error


def test_mails_of_one_delivery_read_their_orders_at_once(placed_order, monkeypatch, woken):
    reads = []
    find = orders.find_orders
    monkeypatch.setattr(
        orders, "find_orders", lambda *, order_ids: reads.append(len(order_ids)) or find(order_ids=order_ids)
    )
    monkeypatch.setattr(orders, "get_order", lambda **_asked: pytest.fail("read already"))

    queue(*(placed_order() for _each in range(3)))
    finish()

    assert reads == [3]
    assert len(mail.outbox) == 3
    assert woken == []


def test_mails_behind_one_that_the_server_did_not_take_are_the_sweeps(placed_order, mail_server, woken):
    mail_server.trouble.append(SMTPServerDisconnected("gone"))

    queue(*(placed_order() for _each in range(3)))
    finish(until=lambda: woken)

    assert mail.outbox == []
    assert woken == [SWEEP]
    due = Email.objects.filter(due_at__lte=timezone.now())
    assert [email.attempts for email in due] == [0, 0]
    assert Email.objects.exclude(pk__in=due).get().attempts == 1


def test_next_mail_of_an_order_waits_for_the_one_before(placed_order, stalled, woken):
    order_id = placed_order()
    queue(order_id)
    assert stalled.arrives()
    queue(order_id, kind=EmailKind.ORDER_CANCELED)
    assert Email.objects.get(kind="order_canceled").due_at <= timezone.now(), "not leased"
    assert sending.send_due_emails() == 0
    background._runner()._moments.forget(SWEEP)

    stalled()
    finish(until=lambda: woken)

    assert [one.subject.endswith("confirmed") for one in mail.outbox] == [True]
    assert woken == [SWEEP], "whoever sent the one before asks for the next"
    assert sending.send_due_emails() == 1
    assert len(mail.outbox) == 2


def test_mails_of_one_order_in_one_statement_are_the_sweeps(placed_order, woken):
    order_id = placed_order()
    with transactions.transaction("notifications"):
        emails.queue_emails(
            [
                emails.NewEmail(kind=kind, order_id=order_id)
                for kind in (EmailKind.ORDER_CONFIRMED, EmailKind.ORDER_SHIPPED)
            ]
        )

    finish(until=lambda: woken)

    assert mail.outbox == []
    assert woken == [SWEEP]


def test_process_takes_no_more_than_it_has_room_for(placed_order, stalled, woken):
    orders = [placed_order() for _each in range(background.ERRANDS_MAX + 1)]

    queue(*orders)
    for order_id in orders[:2]:
        queue(order_id, kind=EmailKind.ORDER_SHIPPED)

    assert Email.objects.filter(due_at__lte=timezone.now()).count() == len(orders) + 2
    stalled()
    finish(until=lambda: woken)
    assert mail.outbox == []


def test_mail_that_is_rolled_back_is_not_sent(placed_order, woken):
    def queue_and_fail():
        with transactions.transaction("notifications"):
            emails.queue_email(kind=EmailKind.ORDER_CONFIRMED, order_id=placed_order_id)
            raise RuntimeError

    placed_order_id = placed_order()
    with pytest.raises(RuntimeError):
        queue_and_fail()

    finish()
    assert mail.outbox == []


def test_process_that_sends_wakes_to_others_hands_nothing_over(placed_order, settings, monkeypatch):
    settings.BROKER_URL = "amqp://nobody"
    monkeypatch.setattr(background, "_worker_pid", 0)
    monkeypatch.setattr(background._Runner, "_run_sweep", lambda *_arguments: None)

    queue(placed_order())

    assert Email.objects.get().due_at <= timezone.now()


def test_parcel_is_booked_without_a_sweep(placed_order, woken, settings):
    from shipping.models import Shipment
    from shipping.services import shipments

    settings.SHIPPING_CARRIER = "sandbox"
    order_id = placed_order()
    with transactions.transaction("shipping"):
        shipments.create_shipment(order_id=order_id)

    finish()

    shipment = Shipment.objects.get(order_id=order_id)
    assert (shipment.status, shipment.carrier, shipment.attempts) == ("BOOKED", "sandbox", 0)
    assert shipment.carrier_asked_at is not None
    assert woken == []


def test_an_errand_for_later_runs_once_its_time_has_come():
    done = []

    class Noted:
        size, is_late = 1, False

        def run(self):
            done.append(time.monotonic())

        def drop(self):
            done.append(None)

    began = time.monotonic()
    background.run_later(Noted(), after_seconds=0.2)
    background.ask("no sweep of this name")  # whatever else wakes the thread does not cut it short

    finish(until=lambda: done)

    assert done[0] - began >= 0.2


def test_an_errand_for_later_is_dropped_where_the_process_ends():
    dropped = []

    class Noted:
        size, is_late = 1, False

        def run(self):
            raise AssertionError("its time has not come")

        def drop(self):
            dropped.append(True)

    background.run_later(Noted(), after_seconds=3600)
    finish()

    assert dropped == [True]


def test_mail_that_waited_too_long_while_the_database_is_away_is_left_to_the_sweep_once_that_answers(
    placed_order, monkeypatch, woken
):
    give_back, asked = turn.give_back, []

    def away_at_first(rows, claimed):
        asked.append(len(claimed))
        return len(asked) > 1 and give_back(rows, claimed)

    monkeypatch.setattr(handover, "BEGIN_WITHIN_SECONDS", -1.0)
    monkeypatch.setattr(handover, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(turn, "give_back", away_at_first)
    queue(placed_order())

    finish(until=lambda: woken)

    assert (asked, woken, mail.outbox) == ([1, 1], [SWEEP], [])
    assert Email.objects.get().due_at <= timezone.now()


def test_an_errand_for_later_is_dropped_where_this_process_runs_none(settings):
    settings.EVENTS_WAKE_IN_PROCESS = False
    dropped = []

    class Noted:
        size, is_late = 1, False

        def run(self):
            raise AssertionError("this process runs none")

        def drop(self):
            dropped.append(True)

    background.run_later(Noted(), after_seconds=0)

    assert dropped == [True]
