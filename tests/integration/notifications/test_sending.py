"""One email for each cause, sent once, retried when the mail server fails, and never felt by the order."""

import logging
import threading
from datetime import timedelta
from smtplib import SMTPAuthenticationError, SMTPDataError, SMTPRecipientsRefused, SMTPServerDisconnected
from uuid import UUID

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.core import mail
from django.db import connections
from django.db.models.functions import Now

from notifications import api as notifications
from notifications import rules
from notifications.models import Email, Outbox
from notifications.queries import tell_story
from notifications.services import emails, sending
from orders.events import OrderRefundIssued
from orders.models import Order, Saga
from orders.rules import id_of_full_refund
from payments.events import PaymentRefunded
from payments.models import Payment, Refund
from shop import transactions
from shop.events.inbox import DeliveryStatus, deliver
from shop.ids import new_id
from shop.money import Money
from shop.work.rows import Claimed
from tests.integration.notifications.emails import ADDRESS, FACTS, envelope_of, make_due

KINDS = {
    "tell_customer_order_confirmed": "order_confirmed",
    "tell_customer_order_canceled": "order_canceled",
    "tell_customer_parcel_left": "order_shipped",
    "tell_customer_order_refunded": "order_refunded",
    "tell_customer_refund_issued": "refund_issued",
}


def record_refunds(order_id: UUID, *, parts: tuple[int, ...], by_cancel: int) -> None:
    """Have payments remember a capture of which each cent went back: in parts, and then by the order's cancel."""
    total = sum(parts) + by_cancel
    payment = Payment.objects.create(
        order_id=order_id,
        status="REFUNDED",
        amount_minor=total,
        captured_minor=total,
        refunded_minor=total,
        currency="EUR",
        intent_id=f"pi_{order_id.hex}",
    )
    made = [(new_id(), minor) for minor in parts]
    made += [(id_of_full_refund(order_id), by_cancel)] if by_cancel else []
    for refund_id, minor in made:
        Refund.objects.create(refund_id=refund_id, payment=payment, amount_minor=minor, status="SUCCEEDED")


def facts_of(email: Email) -> list[str]:
    return list(Outbox.objects.filter(aggregate_id=email.pk).order_by("id").values_list("type", flat=True))


def test_a_backlog_asks_for_its_orders_once_and_an_order_that_is_gone_costs_the_others_nothing(
    placed_order, hear, monkeypatch
):
    order_ids = [placed_order() for _each in range(3)]
    for order_id in (*order_ids, gone := new_id()):
        hear("tell_customer_order_confirmed", order_id)
    asked = []
    ask_one = sending.orders.get_order
    monkeypatch.setattr(
        sending.orders, "get_order", lambda *, order_id: (asked.append(order_id), ask_one(order_id=order_id))[1]
    )

    sending.send_due_emails()

    assert asked == [gone]
    assert len(mail.outbox) == 3
    statuses = dict(Email.objects.values_list("order_id", "status"))
    assert statuses == dict.fromkeys(order_ids, "SENT") | {gone: "FAILED"}


@pytest.mark.parametrize("handler", FACTS)
def test_each_cause_is_mailed_once_however_often_it_is_heard(handler, placed_order, hear):
    order_id, event_id = placed_order(), new_id()

    heard = [hear(handler, order_id, event_id=event_id) for _time in range(2)]
    again = hear(handler, order_id)
    sending.send_due_emails()
    hear(handler, order_id)
    sending.send_due_emails()

    sent, state = mail.outbox, notifications.list_emails(order_id=order_id)
    assert heard == [DeliveryStatus.PROCESSED, None]
    assert again == DeliveryStatus.PROCESSED
    assert len(sent) == 1
    assert [(one.kind, one.status) for one in state] == [(KINDS[handler], "SENT")]
    assert facts_of(Email.objects.get()) == ["email.queued", "email.sent"]


def test_email_says_what_was_bought_in_text_and_html(queued_email):
    email = queued_email()
    number = Order.objects.get(pk=email.order_id).number

    sending.send_due_emails()

    (sent,) = mail.outbox
    html, kind = sent.alternatives[0]
    assert sent.to == [ADDRESS]
    assert sent.subject == f"Your order {number} is confirmed"
    assert "2 x Mug <b> (MUG): €25.00" in sent.body
    assert kind == "text/html"
    assert "Mug &lt;b&gt;" in html
    assert "€25.00" in html
    assert sent.message()["Message-ID"] == f"<{email.pk}@shop.example>"
    assert sent.message()["Auto-Submitted"] == "auto-generated"


def test_canceled_order_is_told_its_reason(placed_order, hear):
    order_id = placed_order()
    hear("tell_customer_order_canceled", order_id)

    sending.send_due_emails()

    assert rules.REASONS["card_declined"] in mail.outbox[0].body


def test_each_refund_of_an_order_is_mailed_with_its_amount(placed_order, hear):
    order_id = placed_order()
    refunds = [
        OrderRefundIssued(order_id=order_id, refund_id=new_id(), amount=Money(minor, "EUR"))
        for minor in (500, 500, 725)
    ]

    record_refunds(order_id, parts=(500, 500, 725), by_cancel=775)
    for fact in (*refunds, *refunds):
        hear("tell_customer_refund_issued", order_id, fact=fact)
    hear("tell_customer_order_refunded", order_id)
    sending.send_due_emails()

    parts, whole = mail.outbox[:-1], mail.outbox[-1]
    number = Order.objects.get(pk=order_id).number
    assert {sent.subject for sent in parts} == {f"Your order {number}: a refund is on its way"}
    assert ["We have refunded €5.00 to" in sent.body for sent in parts] == [True, True, False]
    assert "We have refunded €7.25 to the card" in parts[2].body
    assert "<strong>€7.25</strong>" in parts[2].alternatives[0][0]
    assert whole.subject == f"Your refund for order {number}"
    assert "we have refunded €7.75 to" in whole.body
    assert "With the €17.25 that we had refunded before, that is\n€25.00 in all." in whole.body
    assert [str(one.amount) for one in notifications.list_emails(order_id=order_id)] == [
        "5.00 EUR",
        "5.00 EUR",
        "7.25 EUR",
        "None",
    ]
    assert tell_story(order_id).happened[0].facts["amount"] == "5.00 EUR"


def test_a_cancel_that_finds_all_the_money_refunded_names_what_went_back_before(placed_order, hear):
    order_id = placed_order()
    record_refunds(order_id, parts=(2000, 500), by_cancel=0)

    hear("tell_customer_order_refunded", order_id)
    sending.send_due_emails()

    assert "We had refunded €25.00 to the card\nyou paid with before" in mail.outbox[0].body
    assert "we have refunded" not in mail.outbox[0].body


def test_refund_that_payments_tells_twice_is_mailed_once(placed_order, drain):
    order_id, refunds = placed_order(), (new_id(), new_id())
    Order.objects.filter(pk=order_id).update(status="CONFIRMED")
    Saga.objects.filter(order_id=order_id).update(finished_at=Now())
    for refund_id in (*refunds, refunds[0]):
        fact = PaymentRefunded(
            order_id=order_id, refund_id=refund_id, amount=Money(500, "EUR"), total=Money(1000, "EUR"), full=False
        )
        envelope = envelope_of(fact, order_id, context="payments")
        for _time in range(2):
            deliver(subscriber="orders.announce_partial_refund", attributes=envelope.to_json())

    drain()

    assert [email.cause_id for email in Email.objects.order_by("queued_at")] == list(refunds)
    assert ["We have refunded €5.00 to" in sent.body for sent in mail.outbox] == [True, True]


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


def test_mails_of_an_order_go_out_in_the_order_of_their_causes(placed_order, hear, mail_server):
    order_id, other = placed_order(), placed_order()
    hear("tell_customer_order_confirmed", order_id)
    hear("tell_customer_parcel_left", order_id)
    hear("tell_customer_order_confirmed", other)
    confirmed, shipped = Email.objects.filter(order_id=order_id).order_by("queued_at")
    mail_server.trouble = [SMTPServerDisconnected("bye")]

    assert sending.send_due_emails() == 1
    assert sending.send_due_emails() == 1, "only the other order's"
    shipped.refresh_from_db()
    assert (shipped.status, shipped.attempts) == ("PENDING", 0)

    make_due(confirmed)
    assert sending.send_due_emails() == 2
    subjects = [sent.subject.rpartition(" is ")[2] for sent in mail.outbox]
    assert subjects == ["confirmed", "confirmed", "on its way"]


def test_mails_of_an_order_keep_their_order_under_sweeps_at_once(placed_order, hear):
    order_id = placed_order()
    for minor in range(100, 600, 100):
        refund = OrderRefundIssued(order_id=order_id, refund_id=new_id(), amount=Money(minor, "EUR"))
        hear("tell_customer_refund_issued", order_id, fact=refund)
    barrier = threading.Barrier(4)

    def sweep():
        barrier.wait()
        while Email.objects.filter(status="PENDING").exists():
            sending.send_due_emails()
        connections.close_all()

    threads = [threading.Thread(target=sweep) for _worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    amounts = [sent.body.partition("We have refunded ")[2].partition(" ")[0] for sent in mail.outbox]
    assert amounts == ["€1.00", "€2.00", "€3.00", "€4.00", "€5.00"]


@pytest.mark.parametrize("earlier", [{"status": "FAILED", "due_at": None}, {"due_at": None}])
def test_mail_waits_for_none_that_is_given_up_or_never_due(earlier, placed_order, hear):
    order_id = placed_order()
    hear("tell_customer_order_confirmed", order_id)
    Email.objects.update(**earlier)
    hear("tell_customer_parcel_left", order_id)

    assert sending.send_due_emails() == 1
    assert mail.outbox[0].subject.endswith("is on its way")


def test_claim_finds_the_earlier_emails_of_an_order_by_the_order_whatever_the_statistics_say(database):
    rows = (
        "INSERT INTO notifications_email (id, version, order_id, kind, cause_id, reason, currency, status, due_at, attempts,"
        " last_error) SELECT gen_random_uuid(), 1, o, 'order_confirmed', o, '', '', %s,"
        " CASE WHEN %s THEN now() - interval '1 minute' END, 0, ''"
        " FROM (SELECT gen_random_uuid() AS o FROM generate_series(1, %s)) AS orders"
    )
    values = {"asynchronous": False, "limit": 50, "lease_seconds": 60.0}
    with connections[transactions.alias_for("notifications")].cursor() as cursor:
        # As they are while nothing waits: the index of all that waits is empty then, and looks cheap.
        cursor.execute(rows, ["SENT", False, 3000])
        cursor.execute("VACUUM (ANALYZE) notifications_email")
        cursor.execute(rows, ["PENDING", True, 600])
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sending.EMAILS._claim.text}", values)
        plan = cursor.fetchone()[0][0]["Plan"]

    assert plan["Actual Rows"] == 50
    assert plan["Shared Hit Blocks"] < 10 * 600, (
        f"{plan['Shared Hit Blocks']} blocks: each email that waits costs the same, however many wait with it"
    )
