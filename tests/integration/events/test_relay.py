"""The relay: nothing skipped, nothing lost, order kept per aggregate."""

import random
from contextlib import suppress
from datetime import timedelta
from itertools import count as count_from
from threading import Barrier, Event, get_ident
from uuid import uuid4

import pytest
from django.db import OperationalError, connections
from django.db.models.functions import Now

from orders.models import Outbox
from shop import transactions
from shop.events import claims, relay
from shop.events.publishing import publish
from shop.statements import Together
from tests.integration.events.bench import Rung, applied, ring


def end_leases():
    """Let every claim and every hold run out, as the clock would."""
    with connections[transactions.alias_for("orders")].cursor() as cursor:
        cursor.execute(
            "UPDATE orders_outbox SET claimed_until = now() - interval '1 second' WHERE claimed_until > now()"
        )


def test_rows_are_carried_in_the_order_of_their_ids(wire, monkeypatch):
    monkeypatch.setattr(relay, "BATCH", 3)
    bell = uuid4()
    for count in range(1, 11):
        ring(bell, count=count)

    assert relay.drain("orders") == 10

    assert wire.counts(bell) == list(range(1, 11))


@pytest.mark.parametrize("analyzed", [False, True])
def test_claim_that_was_planned_for_a_small_outbox_reads_a_backlog_once(analyzed):
    connection = connections[transactions.alias_for("orders")]
    connection.close()  # with whatever it had prepared
    with connection.cursor() as cursor:
        add_published(20)
        cursor.execute("ANALYZE orders_outbox")
        for _each in range(10):  # after a few runs PostgreSQL keeps one plan
            claims.mark_and_claim("orders", [], limit=1000)
        add_published(3000)
        if analyzed:
            cursor.execute("ANALYZE orders_outbox")
            claims.mark_and_claim("orders", [], limit=1000)
    for _each in range(300):
        ring(uuid4(), count=1)
    [claim] = [
        name.decode() for (text, _), name in connection.connection.shop_session.names.items() if b"WITH next" in text
    ]

    with transactions.transaction("orders"), connection.cursor() as cursor:
        cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL shop.relay = 'mine'")
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE {claim} (1000, 8)")
        plan = cursor.fetchone()[0][0]["Plan"]

    assert plan["Actual Rows"] == 300
    assert plan["Shared Hit Blocks"] < 40 * 300, "each row that waits costs the same, however many wait with it"
    assert "Seq Scan" not in str(plan)


def add_published(number):
    with connections[transactions.alias_for("orders")].cursor() as cursor:
        cursor.execute(
            "INSERT INTO orders_outbox (event_id, type, schema_version, aggregate_id, aggregate_version, payload,"
            " traceparent, last_error, published_at) SELECT gen_random_uuid(), 'rung', 1, gen_random_uuid(), 1, '{}', '', '',"
            " now() FROM generate_series(1, %s)",
            [number],
        )


def test_later_event_of_a_claimed_aggregate_waits_and_others_go_on(wire, background):
    held, other, claimed, go_on = uuid4(), uuid4(), Barrier(2), Event()

    def stall():
        wire.before = lambda: None
        claimed.wait(60)
        go_on.wait(60)

    wire.before = stall
    ring(held, count=1)
    first = background(relay.drain, "orders")
    claimed.wait(60)
    ring(held, count=2)
    ring(other, count=1)

    assert relay.drain("orders") == 1
    assert (wire.counts(held), wire.counts(other)) == ([], [1])

    go_on.set()
    assert first.result(60) == 2
    assert wire.counts(held) == [1, 2]


def test_relay_that_finds_another_one_claiming_comes_again(wire, background, monkeypatch):
    bell, claiming, go_on = ring(), Barrier(2), Event()
    woken: list[str] = []
    monkeypatch.setattr(relay, "wake", woken.append)

    def claim_slowly():
        with transactions.transaction("orders"), connections[transactions.alias_for("orders")].cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('relay:orders'))")
            claiming.wait(60)
            go_on.wait(60)

    other = background(claim_slowly)
    claiming.wait(60)

    assert relay.drain("orders") == 0
    assert woken == ["orders"]

    go_on.set()
    other.result(60)
    assert relay.drain("orders") == 1
    assert woken == ["orders"], "the lock was ours: an empty claim is the end"
    assert wire.counts(bell) == [1]


def test_claim_that_got_the_lock_late_sees_what_was_claimed_before(background, monkeypatch):
    bell = uuid4()
    ring(bell, count=1)
    ring(bell, count=2)
    alias, usual, here = transactions.alias_for("orders"), claims._together, get_ident()
    texts = claims._texts("orders", marks=False, asynchronous=False)
    slow = [text.replace("xact_lock(", "xact_lock(length(pg_sleep(2)::text) + ") for text in texts]
    late = Together("orders", "claim_late", slow)
    monkeypatch.setattr(claims, "_together", lambda *of, **which: usual(*of, **which) if get_ident() == here else late)

    second = background(lambda: claims.mark_and_claim("orders", [], limit=10))
    while not asleep(alias):
        pass
    first, mine = claims.mark_and_claim("orders", [], limit=1)

    assert ([row.envelope.aggregate_version for row in first], mine) == ([1], True)
    assert second.result(60) == ([], True), "the second row overtook the first, which is still under way"


def asleep(alias):
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()")
        return cursor.fetchone() is not None


def test_marks_and_the_next_claim_are_one_round_trip(wire, monkeypatch):
    monkeypatch.setattr(relay, "BATCH", 2)
    for count in range(1, 5):
        ring(count=count)
    seen = []

    def watch(execute, sql, params, many, context):
        seen.append(sql)
        return execute(sql, params, many, context)

    with connections[transactions.alias_for("orders")].execute_wrapper(watch):
        assert relay.drain("orders") == 4

    assert len(seen) == 3, "two claims with rows, and the empty one that ends it"
    assert sum("published_at = now()" in sql for sql in seen) == 2


def test_eight_relays_at_once_carry_each_event_once_and_in_order(wire, background, monkeypatch):
    monkeypatch.setattr(relay, "BATCH", 5)
    bells = [uuid4() for _ in range(12)]
    rows = [(bell, count) for count in range(1, 11) for bell in random.sample(bells, len(bells))]
    with transactions.transaction("orders"):
        for bell, count in rows:
            publish(Rung(bell=bell, count=count), aggregate_id=bell, aggregate_version=count)
    start, meeting, sends = Barrier(8), Barrier(2), count_from(0)
    # The first to send waits for a second relay: its claim is out meanwhile, and the lock free.
    wire.before = lambda: meeting.wait(60) if next(sends) < 2 else None

    def run():
        start.wait(60)
        carried = 0
        while Outbox.objects.filter(published_at=None).exists():
            carried += relay.drain("orders")
        return carried

    carried = [relay_.result(100) for relay_ in [background(run) for _ in range(8)]]

    assert sum(carried) == len(wire.sent) == 120
    assert sum(1 for each in carried if each) > 1
    assert all(wire.counts(bell) == list(range(1, 11)) for bell in bells)


def test_row_with_a_lower_id_that_commits_late_is_not_skipped(wire, background):
    early, late, written, go_on = uuid4(), uuid4(), Barrier(2), Event()

    def write_slowly():
        with transactions.transaction("orders"):
            publish(Rung(bell=late, count=1), aggregate_id=late, aggregate_version=1)
            written.wait(60)
            go_on.wait(60)

    slow = background(write_slowly)
    written.wait(60)
    ring(early)
    assert relay.drain("orders") == 1
    go_on.set()
    slow.result(60)

    assert relay.drain("orders") == 1

    assert [envelope.aggregate_id for envelope in wire.sent] == [early, late]
    ids = {row.aggregate_id: row.pk for row in Outbox.objects.all()}
    assert ids[late] < ids[early]


class Killed(BaseException):
    """What a dying process does to the code it is in: nothing is caught, nothing is tidied up."""


def test_batch_of_a_relay_that_died_is_carried_when_its_lease_ends(wire):
    bell = ring()

    def die():
        raise Killed

    wire.before = die
    with pytest.raises(Killed):
        relay.drain("orders")
    wire.before = lambda: None

    assert relay.drain("orders") == 0, "the lease still runs"
    end_leases()
    assert relay.drain("orders") == 1
    assert wire.counts(bell) == [1]


def test_claim_that_ends_later_than_any_claim_may_holds_nothing_back(wire):
    bell = ring()
    ring(bell, count=2)
    Outbox.objects.filter(aggregate_id=bell).update(claimed_until=Now() + timedelta(hours=1))

    assert relay.drain("orders") == 2
    assert wire.counts(bell) == [1, 2]


def test_batch_of_a_relay_that_died_after_sending_is_applied_once(bell_book, monkeypatch):
    bell = ring()

    claim = claims.mark_and_claim

    def die(context, arrived, *, limit):
        if arrived:
            raise Killed
        return claim(context, arrived, limit=limit)

    with monkeypatch.context() as patch:
        patch.setattr(claims, "mark_and_claim", die)
        with pytest.raises(Killed):
            relay.drain("orders")
    end_leases()

    assert relay.drain("orders") == 1
    assert applied() == [(bell, 1)]


def test_what_has_arrived_is_noted_though_the_database_session_broke_meanwhile(wire):
    bell = ring()

    def break_session():
        with suppress(OperationalError), connections[transactions.alias_for("orders")].cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    wire.before = break_session

    assert relay.drain("orders") == 1
    assert wire.counts(bell) == [1]
    assert Outbox.objects.filter(published_at=None).count() == 0


def test_what_arrived_is_not_noted_for_ever_where_the_database_stays_away(monkeypatch):
    tried: list[int] = []

    def away(*_args, **_options):
        tried.append(len(tried))
        raise OperationalError("the server closed the connection")

    monkeypatch.setattr(relay, "LEASE_SECONDS", -1)

    with pytest.raises(OperationalError):
        relay._retry_until_recorded(away)
    assert tried == [0]
