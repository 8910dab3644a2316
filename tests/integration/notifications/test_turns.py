"""The emails of an order go out in the order of their causes, whoever sends them."""

import threading
from smtplib import SMTPServerDisconnected

import pytest
from django.core import mail
from django.db import connections

from notifications.models import Email
from notifications.services import sending
from orders.events import OrderRefundIssued
from shop import transactions
from shop.ids import new_id
from shop.money import Money
from tests.integration.notifications.emails import make_due


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
    values = {"asynchronous": False, "limit": 50, "lease_seconds": 60.0, "fair": False}
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
