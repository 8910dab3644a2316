"""A mail is sent by the process that queued it, without a sweep; what that process does not begin is the sweep's."""

import time
from contextlib import suppress
from datetime import timedelta
from smtplib import SMTPServerDisconnected
from threading import Event

import psycopg
import pytest
from django.core import mail
from django.db import OperationalError, connections
from django.utils import timezone

from notifications import gateways
from notifications.models import Email, EmailKind
from notifications.services import emails, sending
from orders import api as orders
from shop import transactions
from shop.events import relay
from shop.work import background, handover, turn
from tests.integration.notifications.emails import FACTS

SWEEP = "notifications.send_due_emails"
DEADLINE = 60


@pytest.fixture(autouse=True)
def own_thread(database, settings, monkeypatch):
    """Let the process run what it wakes, in a thread that nobody else has, and publish nothing."""
    settings.EVENTS_WAKE_IN_PROCESS = True
    settings.BROKER_URL = ""
    monkeypatch.setattr(background, "_made", None)
    monkeypatch.setattr(relay, "wake", lambda *_arguments, **_more: None)
    yield
    background.finish()


@pytest.fixture
def woken(monkeypatch):
    """Note the sweeps that are asked for, and run none."""
    names = []
    monkeypatch.setattr(background._Runner, "_run_sweep", lambda _self, name: names.append(name))
    return names


class Stall:
    """Errands that wait until this is called."""

    def __init__(self):
        self._arrived, self._go_on = Event(), Event()

    def __call__(self):
        self._go_on.set()

    def arrives(self):
        """Wait until the thread has come to them."""
        return self._arrived.wait(DEADLINE)

    def hold(self):
        """Have the thread wait."""
        self._arrived.set()
        self._go_on.wait(DEADLINE)


@pytest.fixture
def stalled(monkeypatch):
    """Have errands wait: call what this returns to let them run."""
    stall, run = Stall(), background._Runner._run_errands

    def wait(runner):
        stall.hold()
        run(runner)

    monkeypatch.setattr(background._Runner, "_run_errands", wait)
    yield stall
    stall()


def finish(until=lambda: True):
    """Let everything run that waits, and nothing more."""
    deadline = time.monotonic() + DEADLINE
    while (background._runner()._errands or not until()) and time.monotonic() < deadline:
        pass
    background.finish()


def queue(*order_ids, kind=EmailKind.ORDER_CONFIRMED):
    with transactions.transaction("notifications"):
        emails.queue_emails([emails.NewEmail(kind=kind, order_id=order_id) for order_id in order_ids])


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


def test_database_that_fails_has_no_mail_sent_that_cannot_be_recorded(placed_order, monkeypatch, woken):
    def fail(*_asked, **_more):
        raise OperationalError("server closed the connection unexpectedly")

    orders = [placed_order() for _each in range(3)]
    monkeypatch.setattr(sending, "_record_sent", fail)
    monkeypatch.setattr("orders.api.get_order", fail)

    queue(*orders)
    finish()

    assert len(mail.outbox) == 1, "the one that was sent as the database failed"


@pytest.fixture
def held_up(monkeypatch):
    """Hold the first mail up at its server: return what waits for that, and what lets it go on."""
    came, go_on, send = Event(), Event(), gateways.send

    def wait(message):
        came.set()
        assert go_on.wait(DEADLINE)
        send(message)

    monkeypatch.setattr(gateways, "send", wait)
    yield lambda: came.wait(DEADLINE), go_on.set
    go_on.set()


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
    arrives, go_on = held_up
    queue(*(placed_order() for _each in range(3)))
    assert arrives()

    handover.give_back()
    assert not Email.objects.filter(due_at__lte=timezone.now()), "there is time left"
    if not ends:
        (portion,) = turn._under_way
        portion.ends = 0.0
    handover.give_back(all_of_them=ends)

    due = Email.objects.filter(due_at__lte=timezone.now())
    assert [email.attempts for email in due] == [0, 0]
    go_on()
    finish()
    assert len(mail.outbox) == 1, "none of those that were given back"
    assert sending.send_due_emails() == 2


def test_mails_that_wait_behind_others_for_too_long_are_due_for_other_processes(placed_order, held_up, woken):
    arrives, go_on = held_up
    queue(placed_order())
    assert arrives()
    queue(placed_order())
    (waiting,) = background._runner()._errands

    waiting._portion.ends = 0.0  # type: ignore[attr-defined]  # a handover's
    handover.give_back()

    assert [email.attempts for email in Email.objects.filter(due_at__lte=timezone.now())] == [0]
    go_on()
    finish()
    assert len(mail.outbox) == 1


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
