"""The mails of confirmed orders go before all that wait, at the same cost however many wait, and none waits for ever."""

import pytest
from django.core import mail
from django.db import connections

from notifications.models import Email
from notifications.services import sending
from shop import transactions
from shop.work import rows

BACKLOG = 100_000
# Of these 20 rows; one of the backlog alone costs four.
BLOCKS = 2_000
PARAMETERS = {"asynchronous": "bool", "limit": "int", "lease_seconds": "float8", "fair": "bool"}
WAITING = (
    "INSERT INTO notifications_email (id, version, order_id, kind, cause_id, reason, currency, status, due_at, attempts,"
    " last_error) SELECT gen_random_uuid(), 1, o, %s, o, '', '', %s,"
    " CASE WHEN %s THEN now() - make_interval(mins => %s) + n * interval '1 ms' END, 0, ''"
    " FROM (SELECT n, gen_random_uuid() AS o FROM generate_series(1, %s) AS numbers (n)) AS orders"
)


@pytest.fixture
def no_fair_claim(monkeypatch):
    """Have no claim be one that takes the oldest all the same."""
    monkeypatch.setattr(rows, "FAIR_CLAIM", 10**9)


def wait(kind, count, *, minutes):
    with connections[transactions.alias_for("notifications")].cursor() as cursor:
        cursor.execute(WAITING, [kind, "PENDING", True, minutes, count])


def claim(limit):
    return [claimed.row.kind for claimed in sending.EMAILS.claim(limit=limit)]


@pytest.mark.usefixtures("no_fair_claim")
def test_confirmed_order_is_told_before_the_canceled_ones_that_wait_longer_and_all_are_told(placed_order, hear):
    for _each in range(25):
        hear("tell_customer_order_canceled", placed_order())
    hear("tell_customer_order_confirmed", placed_order())

    sending.send_due_emails()

    told = [sent.subject.rpartition(" is ")[2] for sent in mail.outbox]
    assert told[0] == "confirmed"
    assert len(told) == 26
    assert not Email.objects.exclude(status="SENT").exists()


@pytest.mark.usefixtures("no_fair_claim")
def test_a_claim_takes_confirmed_orders_first_and_fills_up_with_the_oldest(database):
    wait("order_canceled", 2, minutes=20)
    wait("order_shipped", 2, minutes=30)
    wait("order_confirmed", 2, minutes=10)

    assert claim(5) == ["order_confirmed"] * 2 + ["order_shipped"] * 2 + ["order_canceled"]
    assert claim(5) == ["order_canceled"]


def test_a_share_of_the_claims_takes_the_oldest_however_many_confirmed_orders_wait(database):
    wait("order_canceled", 3, minutes=20)
    wait("order_confirmed", 100, minutes=10)

    taken = [kind for _each in range(2 * rows.FAIR_CLAIM) for kind in claim(1)]

    assert taken.count("order_canceled") == 2


@pytest.mark.parametrize("statistics", ["of before", "of now"])
@pytest.mark.parametrize("kind", ["order_canceled", "order_confirmed"])
def test_a_claim_costs_the_same_in_a_backlog_whatever_the_statistics_say(database, kind, statistics):
    with connections[transactions.alias_for("notifications")].cursor() as cursor:
        # As they are while nothing waits: each index of what waits is empty then, and looks cheap.
        cursor.execute(WAITING, ["order_confirmed", "SENT", False, 0, 3000])
        cursor.execute("VACUUM (ANALYZE) notifications_email")
        wait(kind, BACKLOG, minutes=20)
        wait("order_confirmed", 3, minutes=1)
        if statistics == "of now":
            cursor.execute("ANALYZE notifications_email")
        plans = [
            explain_claim(cursor, fair=fair, mode=f"force_{mode}_plan")
            for fair in (False, True)
            for mode in ("custom", "generic")
        ]

    assert [plan["Actual Rows"] for plan in plans] == [20] * 4
    assert max(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] for plan in plans) < BLOCKS


def explain_claim(cursor, *, fair, mode):
    text = sending.EMAILS._claim.text
    for number, name in enumerate(PARAMETERS, start=1):
        text = text.replace(f"%({name})s", f"${number}")
    cursor.execute(f"PREPARE claim_of_test ({', '.join(PARAMETERS.values())}) AS {text}")
    try:
        cursor.execute(f"SET plan_cache_mode = {mode}")
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE claim_of_test (false, 20, 60, {fair})")
        return cursor.fetchone()[0][0]["Plan"]
    finally:
        cursor.execute("RESET plan_cache_mode")
        cursor.execute("DEALLOCATE claim_of_test")
