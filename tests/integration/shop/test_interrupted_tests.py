"""A test that runs out of time in the middle of a query fails alone: the next begins with sessions that answer."""

from __future__ import annotations

from django.db import connections

from shop import transactions
from tests.driver.sessions import close_interrupted_sessions


def test_session_that_still_waits_for_its_answer_is_closed():
    connection = connections[transactions.alias_for("orders")]
    connection.ensure_connection()
    connection.connection.pgconn.send_query(b"SELECT 1")

    close_interrupted_sessions()

    with connection.cursor() as cursor:
        cursor.execute("SELECT 2")
        assert cursor.fetchone() == (2,)


def test_session_in_the_middle_of_a_transaction_is_closed():
    connection = connections[transactions.alias_for("orders")]
    connection.set_autocommit(autocommit=False)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")

    close_interrupted_sessions()

    with connection.cursor() as cursor:
        cursor.execute("SELECT now() = statement_timestamp()")
        assert cursor.fetchone() == (True,)
    connection.set_autocommit(autocommit=True)
