"""Prepared texts and the transaction of one statement: what PostgreSQL makes of them, and what is refused."""

from __future__ import annotations

import re
import uuid
from datetime import UTC
from typing import Any

import pytest
from django.db import DatabaseError, close_old_connections, connections, transaction
from psycopg._queries import PostgresQuery
from psycopg.adapt import Transformer

from shop import transactions
from shop.events.outbox import outbox_of
from shop.events.publishing import publish
from shop.statements import LONGEST_TEXT, Statement, Together
from shop.transactions import TransactionMisuse
from tests.driver.statements import every_statement
from tests.integration.events.bench import Rung

WRITES_A_FACT = (
    "INSERT INTO notifications_outbox (event_id, type, schema_version, aggregate_id, aggregate_version, payload, traceparent,"
    " last_error) VALUES (gen_random_uuid(), %(tag)s, 1, gen_random_uuid(), 1, '{}', '', '')"
)


def test_every_text_is_prepared_by_the_schema_as_it_is():
    for statement in every_statement():
        query = PostgresQuery(Transformer())
        names = dict.fromkeys(_parameters(statement))
        query.convert(statement.text, names)
        with connections[transactions.alias_for(statement.context)].cursor() as cursor:
            try:
                cursor.execute(f"PREPARE probe AS {query.query.decode()}")
            except DatabaseError as error:
                pytest.fail(f"{statement.name}: {error}")
            cursor.execute("DEALLOCATE probe")


def _parameters(statement: Statement) -> set[str]:
    return set(re.findall(r"%\((\w+)\)s", statement.text))


def probe(text: str = "SELECT 1", *, name: str) -> Statement:
    return Statement("notifications", name, text=text)


def test_text_is_prepared_once_and_run_as_often_as_one_likes(settings):
    settings.DATABASE_PREPARED_STATEMENTS = True
    statement = probe("SELECT %(number)s::int + 1 AS once -- a comment", name="probe_once")
    assert [statement.one(number=number) for number in (1, 2, 3)] == [(2,), (3,), (4,)]
    assert _prepared("AS once") == 1


def test_nothing_is_prepared_where_the_pooler_would_not_know_it(settings):
    settings.DATABASE_PREPARED_STATEMENTS = False
    statement = probe("SELECT %(number)s::int + 7 AS never", name="probe_never")
    assert [statement.one(number=number) for number in (1, 2)] == [(8,), (9,)]
    assert _prepared("AS never") == 0


def _prepared(part: str) -> int:
    """Count what this session has prepared of a text; the session outlives a test, so the part is in no other text."""
    with connections[transactions.alias_for("notifications")].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE position(%s IN statement) > 0", [part])
        return cursor.fetchone()[0]


def test_text_that_would_be_translated_at_every_call_is_refused():
    with pytest.raises(ValueError, match=str(LONGEST_TEXT)):
        probe("SELECT " + "1 + " * LONGEST_TEXT + "1", name="probe_long")


def test_write_outside_a_transaction_is_refused():
    with pytest.raises(TransactionMisuse, match="needs an open transaction of notifications"):
        probe("DELETE FROM notifications_outbox", name="probe_write").run()


def test_single_transaction_is_durable_without_begin_and_commit(monkeypatch):
    seen = []
    connection = connections[transactions.alias_for("orders")]
    monkeypatch.setattr(connection, "_commit", lambda: seen.append("COMMIT"))
    with transactions.single("orders"):
        _ring(uuid.uuid4())
        transactions.after_commit("orders", lambda: seen.append("after"))
        assert seen == []
    assert seen == ["after"]
    assert outbox_of("orders")._default_manager.count() == 1


def together(*texts: str, **values: Any) -> list[list[tuple[object, ...]]]:
    with transactions.single("notifications"):
        return Together("notifications", "probe_together", texts).run(**values)


def test_texts_that_are_sent_together_each_see_what_the_one_before_did(settings):
    for settings.DATABASE_PREPARED_STATEMENTS in (True, False):
        tag = uuid.uuid4().hex
        written, _counted, found = together(
            WRITES_A_FACT, "SELECT %(number)s::int", "SELECT type FROM notifications_outbox WHERE type = %(tag)s",
            tag=tag, number=1,
        )  # fmt: skip
        assert (written, found) == ([], [(tag,)])


def test_texts_that_are_sent_together_are_prepared_once_each(settings):
    settings.DATABASE_PREPARED_STATEMENTS = True
    for number in (1, 2, 3):
        assert together(
            "SELECT %(number)s::int + 13 AS first", "SELECT 13 - %(number)s::int AS second", number=number
        ) == [
            [(number + 13,)],
            [(13 - number,)],
        ]
    assert (_prepared("AS first"), _prepared("AS second")) == (1, 1)


def test_where_one_of_several_texts_fails_none_has_run():
    with pytest.raises(DatabaseError, match="division by zero"):
        together(WRITES_A_FACT, "SELECT 1 / %(nothing)s::int", "SELECT 1", tag="undone", nothing=0)

    assert together("SELECT count(*) FROM notifications_outbox WHERE type = 'undone'") == [[(0,)]]


def test_texts_that_the_session_has_lost_are_prepared_again(settings):
    settings.DATABASE_PREPARED_STATEMENTS = True
    texts = (WRITES_A_FACT, "SELECT %(number)s::int * 17")
    together(*texts, tag="first", number=1)
    with connections[transactions.alias_for("notifications")].cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")

    assert together(*texts, tag="second", number=2) == [[], [(34,)]]
    assert together("SELECT count(*) FROM notifications_outbox WHERE type IN ('first', 'second')") == [[(2,)]]


def test_session_whose_answers_were_not_waited_for_is_used_no_more(monkeypatch):
    connection = connections[transactions.alias_for("notifications")]
    connection.ensure_connection()

    def interrupt(*_of: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(connection.connection, "wait", interrupt)
    with pytest.raises(KeyboardInterrupt):
        together("SELECT 1")

    assert connection.connection.closed
    close_old_connections()
    assert together("SELECT 2") == [[(2,)]]


def test_texts_that_are_sent_together_are_a_transaction_of_their_own():
    with pytest.raises(TransactionMisuse, match="needs an open transaction of notifications"):
        Together("notifications", "probe_alone", ["SELECT 1"]).run()
    with (
        pytest.raises(TransactionMisuse, match="is a transaction of its own"),
        transactions.transaction("notifications"),
    ):
        Together("notifications", "probe_within", ["SELECT 1"]).run()


def test_second_statement_of_a_single_transaction_is_refused():
    def ring_twice() -> None:
        with transactions.single("orders"):
            _ring(uuid.uuid4())
            _ring(uuid.uuid4())

    with pytest.raises(TransactionMisuse, match="a single transaction has one statement"):
        ring_twice()


def test_single_transaction_refuses_another_within_it():
    with pytest.raises(TransactionMisuse), transactions.single("notifications"), transactions.single("orders"):
        pass


def test_nothing_runs_after_a_single_transaction_that_failed():
    ran = []

    def fail() -> None:
        with transactions.single("notifications"):
            transactions.after_commit("notifications", lambda: ran.append(1))
            probe("SELECT 1 / %(nothing)s::int", name="probe_zero").run(nothing=0)

    with pytest.raises(DatabaseError):
        fail()
    assert ran == []


def test_callback_that_fails_does_not_look_like_the_failure_of_the_transaction():
    ran = []

    def broken() -> None:
        raise ValueError("broken")

    with transactions.single("notifications"):
        transactions.after_commit("notifications", broken)
        transactions.after_commit("notifications", lambda: ran.append(1))
    assert ran == [1]


def _ring(bell: uuid.UUID) -> None:
    publish(Rung(bell=bell, count=1), aggregate_id=bell, aggregate_version=1)


def test_text_that_the_session_has_lost_is_prepared_again(settings):
    settings.DATABASE_PREPARED_STATEMENTS = True
    statement = probe("SELECT %(number)s::int * 11", name="probe_lost")
    statement.one(number=1)
    with connections[transactions.alias_for("notifications")].cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")

    assert [statement.one(number=number) for number in (1, 2)] == [(11,), (22,)]
    assert _prepared("int * 11") == 1


def test_what_is_prepared_outlives_a_transaction_that_is_rolled_back(settings):
    settings.DATABASE_PREPARED_STATEMENTS = True
    statement = probe("SELECT %(number)s::int * 13", name="probe_rolled_back")
    with pytest.raises(ZeroDivisionError), transactions.transaction("notifications"):
        1 / statement.one(number=0)[0]

    with transactions.transaction("notifications"):
        assert statement.one(number=2) == (26,)
    assert _prepared("int * 13") == 1


@pytest.mark.parametrize("prepared", [True, False])
def test_statement_is_part_of_the_transaction_that_is_open(settings, prepared):
    settings.DATABASE_PREPARED_STATEMENTS = prepared
    write = probe(
        "INSERT INTO notifications.notifications_inbox (event_id, event_type, subscriber, attempts, status, error, decided_by)"
        " SELECT %(id)s::uuid, 'probe', 'probe', 0, 'DONE', '', ''",
        name=f"probe_write_{prepared}",
    )
    count = probe(
        "SELECT count(*), now() FROM notifications.notifications_inbox WHERE subscriber = 'probe'",
        name=f"probe_count_{prepared}",
    )
    with transactions.transaction("notifications"):
        write.run(id=uuid.uuid4())
        found = count.one()
        transaction.set_rollback(True, using=transactions.alias_for("notifications"))

    assert found[0] == 1
    assert found[1].tzinfo is UTC
    assert count.one()[0] == 0


def test_each_type_of_a_parameter_has_a_plan_of_its_own():
    statement = probe("SELECT %(one)s, %(other)s, %(one)s, '100%%'", name="probe_types")

    assert statement.one(one=1, other="a") == (1, "a", 1, "100%")
    assert statement.one(one=1 << 40, other=None) == (1 << 40, None, 1 << 40, "100%")


def test_wrappers_are_told_how_many_rows_a_statement_took():
    seen = []

    def watch(execute, sql, params, many, context):
        result = execute(sql, params, many, context)
        seen.append((context["name"], context["cursor"].rowcount))
        return result

    statement = probe("SELECT generate_series(1, %(most)s::int)", name="probe_rows")
    with connections[transactions.alias_for("notifications")].execute_wrapper(watch):
        assert statement.run(most=3) == [(1,), (2,), (3,)]

    assert seen == [("notifications.probe_rows", 3)]


def test_only_what_a_later_commit_makes_durable_may_be_asynchronous():
    may = {each.name for each in every_statement() if "synchronous_commit" in each.text}

    leases = (".claim_", ".return_")
    assert {name for name in may if not any(each in name for each in leases)} == {
        "orders.place_order",
        "orders.advance_order",
        "orders.begin_to_wait",
        "inventory.reserve_stock",
        "payments.move_payment",
        "payments.keep_notice",
        "shipping.record_booking",
    }
    assert all(each.says_how_to_commit for each in every_statement() if each.name in may)


COMMITS = "SELECT CASE WHEN %(asynchronous)s::bool THEN 'hurries' ELSE 'waits' END"


@pytest.mark.parametrize(("allowed", "asked", "commits"), [(1, 1, "hurries"), (1, 0, "waits"), (0, 1, "waits")])
def test_a_commit_is_asynchronous_where_both_its_use_case_and_the_settings_say_so(
    allowed: int, asked: int, commits: str, settings
):
    settings.DATABASE_ASYNCHRONOUS_COMMIT = bool(allowed)
    statement = probe(COMMITS, name="probe_commits")

    with transactions.single("notifications"):
        assert statement.one(asynchronous=bool(asked)) == (commits,)


def test_a_transaction_of_several_statements_waits_for_the_disk(settings):
    settings.DATABASE_ASYNCHRONOUS_COMMIT = True

    with transactions.transaction("notifications"):
        assert probe(COMMITS, name="probe_several").one(asynchronous=True) == ("waits",)


def test_a_text_that_cannot_commit_so_is_not_asked_to():
    with pytest.raises(ValueError, match="no parameter"):
        probe("SELECT 1", name="probe_waits").run(asynchronous=True)


def test_offers_are_not_planned_at_each_call(settings):
    settings.DATABASE_PREPARED_STATEMENTS = True
    offers = next(each for each in every_statement() if each.name == "inventory.get_offers")
    begin_session_with_true_statistics()
    for _time in range(8):
        with transactions.single("inventory"):
            offers.run(skus="MUG,CUP")

    with connections[transactions.alias_for("inventory")].cursor() as cursor:
        cursor.execute(
            "SELECT max(generic_plans) FROM pg_prepared_statements WHERE statement LIKE 'SELECT p.sku, p.name%'"
        )
        assert cursor.fetchone()[0] >= 3


def begin_session_with_true_statistics() -> None:
    """PostgreSQL chooses by what it believes of the tables, and by what the plans of a session have cost so far."""
    connection = connections[transactions.alias_for("inventory")]
    connection.close()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE) inventory_product, inventory_stock, inventory_reservation")


def test_single_transaction_refuses_one_that_others_have_opened():
    with (
        transaction.atomic(using=transactions.alias_for("notifications")),
        pytest.raises(TransactionMisuse, match="did not open"),
        transactions.single("notifications"),
    ):
        pass


def test_text_that_the_session_has_lost_fails_a_transaction_that_is_open_and_the_next_one_prepares_it(settings):
    settings.DATABASE_PREPARED_STATEMENTS = True
    statement = probe("SELECT %(number)s::int * 19", name="probe_lost_within")
    statement.one(number=1)
    with connections[transactions.alias_for("notifications")].cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")

    with pytest.raises(DatabaseError), transactions.transaction("notifications"):
        statement.one(number=2)

    with transactions.transaction("notifications"):
        assert statement.one(number=3) == (57,)
