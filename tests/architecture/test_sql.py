"""What imports cannot show: no query, foreign key or transaction crosses contexts; each table is in its own schema."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db import DatabaseError, connections, models, router
from django.test.utils import isolate_apps

from inventory.events import StockCommitted, StockReserved
from inventory.models import Reservation
from orders.events import OrderDelivered, OrderRefundIssued
from orders.models import Order
from payments.events import PaymentRefunded
from payments.models import Payment
from shop import transactions
from shop.contexts import CONTEXTS
from shop.events.event import Event
from shop.events.outbox import outbox_of
from shop.events.publishing import publish
from shop.money import Money
from shop.states import ByPayload, IllegalTransition, StatusModel, Transitions, change_status
from tests.sql_guard import SqlGuard

OWN_SCHEMA = {*CONTEXTS, "shop"}
# Note [A table of shipping's first release] of local/carrier/models.py.
TAKEN_OVER = {"carrier": "shipping"}


def foreign_keys_across(found: Iterable[type[models.Model]]) -> list[str]:
    return [
        f"{model._meta.label}.{field.name} -> {field.related_model._meta.label}"
        for model in found
        for field in model._meta.get_fields()
        if isinstance(field, models.ForeignKey)
        and {model._meta.app_label, field.related_model._meta.app_label}.intersection(CONTEXTS)
        and model._meta.app_label != field.related_model._meta.app_label
    ]


def test_no_foreign_key_leaves_its_context():
    assert foreign_keys_across(apps.get_models()) == []


@isolate_apps("orders", "payments")
def test_a_planted_foreign_key_to_another_context_is_caught():
    class Parent(models.Model):
        class Meta:
            app_label = "payments"

    class Child(models.Model):
        parent = models.ForeignKey(Parent, on_delete=models.CASCADE)

        class Meta:
            app_label = "orders"

    assert foreign_keys_across([Parent, Child]) == ["orders.Child.parent -> payments.Parent"]


def foreign_keys_between_schemas() -> list[str]:
    found = []
    for alias in connections:
        with connections[alias].cursor() as cursor:
            cursor.execute(
                "SELECT conrelid::regclass || ' -> ' || confrelid::regclass FROM pg_constraint"
                " JOIN pg_class here ON here.oid = conrelid JOIN pg_class there ON there.oid = confrelid"
                " JOIN pg_namespace own ON own.oid = here.relnamespace"
                " WHERE contype = 'f' AND here.relnamespace <> there.relnamespace AND own.nspname = ANY(%s)",
                [sorted(CONTEXTS)],
            )
            found += [row[0] for row in cursor.fetchall()]
    return found


@pytest.mark.usefixtures("database")
def test_the_database_holds_no_foreign_key_between_schemas():
    assert foreign_keys_between_schemas() == []


@pytest.mark.usefixtures("database")
def test_a_planted_foreign_key_between_schemas_is_caught():
    with connections[router.db_for_write(Order)].cursor() as cursor:
        cursor.execute("CREATE TABLE public.planted_parent (id int PRIMARY KEY)")
        cursor.execute("CREATE TABLE orders.planted (parent_id int REFERENCES public.planted_parent)")
        try:
            found = foreign_keys_between_schemas()
        finally:
            cursor.execute("DROP TABLE orders.planted, public.planted_parent")

    assert found == ["planted -> planted_parent"]


def tables_out_of_place() -> list[str]:
    wrong = []
    for model in apps.get_models(include_auto_created=True):
        owner = TAKEN_OVER.get(model._meta.app_label, model._meta.app_label)
        expected = owner if owner in OWN_SCHEMA else "public"
        with connections[router.db_for_write(model)].cursor() as cursor:
            cursor.execute("SELECT array_agg(schemaname) FROM pg_tables WHERE tablename = %s", [model._meta.db_table])
            if cursor.fetchone()[0] != [expected]:
                wrong.append(model._meta.label)
    return wrong


@pytest.mark.usefixtures("database")
def test_each_table_stands_in_the_schema_of_its_context():
    assert tables_out_of_place() == []


@pytest.mark.usefixtures("database")
def test_a_table_moved_to_another_schema_is_caught():
    with connections[router.db_for_write(Order)].cursor() as cursor:
        cursor.execute("ALTER TABLE orders.orders_saga SET SCHEMA public")
        try:
            found = tables_out_of_place()
        finally:
            cursor.execute("ALTER TABLE public.orders_saga SET SCHEMA orders")

    assert found == ["orders.Saga"]


@pytest.mark.usefixtures("database")
def test_a_statement_that_names_two_contexts_is_caught(sql_guard: SqlGuard):
    with connections["default"].cursor() as cursor, contextlib.suppress(DatabaseError):  # five databases: no such table
        cursor.execute("SELECT 1 FROM orders_order JOIN payments_payment ON true")

    assert "names tables of orders and payments" in sql_guard.violations.pop()


@pytest.mark.usefixtures("database")
def test_a_transaction_that_writes_to_two_contexts_is_caught(sql_guard: SqlGuard):
    from django.db import transaction

    from payments.models import Payment

    if router.db_for_write(Order) != router.db_for_write(Payment):
        pytest.skip("with a database per context no transaction can span two")
    with transaction.atomic():
        Order.objects.filter(pk=None).using("default").update(cancel_reason="")
        Order.objects.filter(number="x").update(cancel_reason="")
        Payment.objects.filter(decline_code="x").update(decline_code="")

    assert "writes to orders and payments" in sql_guard.violations.pop()


@pytest.mark.usefixtures("database")
def test_a_transaction_inside_another_is_refused():
    with (
        pytest.raises(transactions.TransactionMisuse, match="a transaction of orders is open"),
        transactions.transaction("orders"),
        transactions.transaction("inventory"),
    ):
        pass


@pytest.mark.usefixtures("database")
def test_the_outside_world_is_not_called_inside_a_transaction():
    with pytest.raises(transactions.TransactionMisuse, match="commit before"), transactions.transaction("orders"):
        transactions.forbid()


@pytest.mark.usefixtures("database")
def test_a_move_is_published_with_the_version_that_it_led_to():
    row = Reservation.objects.create(order_id=uuid.uuid4(), status="PAYING")
    with transactions.transaction("inventory"):
        moved = change_status(
            Reservation,
            row.pk,
            expected={"PAYING"},
            event=StockCommitted(order_id=row.pk, lines=()),
        )

    assert moved == 2
    facts = outbox_of("inventory")._default_manager.values_list("type", "aggregate_id", "aggregate_version")
    assert list(facts) == [("stock.committed", row.pk, 2)]


@pytest.mark.usefixtures("database")
def test_an_event_cannot_be_published_outside_a_transaction():
    order_id = uuid.uuid4()

    with pytest.raises(transactions.TransactionMisuse):
        publish(OrderDelivered(order_id=order_id), aggregate_id=order_id, aggregate_version=1)


def status_models() -> list[type[StatusModel]]:
    return [model for model in apps.get_models() if issubclass(model, StatusModel)]


@pytest.mark.parametrize("model", status_models(), ids=lambda model: model._meta.label)
def test_a_transition_table_lists_exactly_the_statuses_of_its_model(model: type[StatusModel]):
    fields: Any = model._meta
    choices = {value for value, _label in fields.get_field("status").choices}

    assert set(model.TRANSITIONS) == choices
    assert model.TRANSITIONS.terminal, "something must end"


@pytest.mark.parametrize("model", status_models(), ids=lambda model: model._meta.label)
def test_a_status_cannot_be_saved_over(model: type[StatusModel]):
    row = model()
    row._state.adding = False

    for fields in (None, ["status"], ["version", "last_error"]):
        with pytest.raises(IllegalTransition, match="change_status"):
            row.save(update_fields=fields)


def facts_that_tell_of(model: type[StatusModel], status: str) -> Iterator[Event]:
    """Yield a fact of each class that may tell of this status, with the member that says so and no other."""
    for told, after in model.STATUS_AFTER.items():
        if isinstance(after, ByPayload):
            told_by = [json.loads(text) for text, means in after.means.items() if means == status]
            for member in told_by if after.means else [status]:
                event = object.__new__(told)
                object.__setattr__(event, after.member, member)
                yield event
        elif after == status:
            yield object.__new__(told)


@pytest.mark.parametrize("model", status_models(), ids=lambda model: model._meta.label)
def test_no_row_moves_where_its_table_holds_no_move(model: type[StatusModel]):
    table = model.TRANSITIONS

    for source, target in itertools.product(table, table):
        events = list(facts_that_tell_of(model, target))
        assert events, f"no fact tells of {target}"
        for event in events if target not in table[source] else ():
            with pytest.raises(IllegalTransition, match=f"no move from {source} to {target}"):
                change_status(model, uuid.uuid4(), expected={source}, event=event)


@pytest.mark.parametrize("model", status_models(), ids=lambda model: model._meta.label)
def test_a_move_by_a_fact_that_tells_of_no_status_is_refused(model: type[StatusModel]):
    source = next(source for source, targets in model.TRANSITIONS.items() if targets)
    event = OrderRefundIssued(order_id=uuid.uuid4(), refund_id=uuid.uuid4(), amount=Money(1, "EUR"))

    with pytest.raises(
        IllegalTransition, match=rf"order\.refund_issued does not tell of a move of {model._meta.label}"
    ):
        change_status(model, uuid.uuid4(), expected={source}, event=event)


def test_a_fact_whose_payload_tells_is_read_as_its_text_is():
    told: dict[str, Any] = {
        "order_id": uuid.uuid4(),
        "refund_id": uuid.uuid4(),
        "amount": Money(1, "EUR"),
        "total": Money(1, "EUR"),
    }

    assert Payment.status_after(PaymentRefunded(full=True, **told)) == "REFUNDED"
    assert Payment.status_after(PaymentRefunded(full=False, **told)) == "PARTIALLY_REFUNDED"


def test_a_row_that_a_fact_has_begin_in_no_status_is_refused():
    event = StockReserved(order_id=uuid.uuid4(), status="KEPT", lines=())

    with pytest.raises(IllegalTransition, match=r"stock\.reserved tells of KEPT, which is not a status"):
        Reservation.status_after(event)


def test_a_move_that_the_table_lacks_is_refused():
    table = Transitions({"A": {"B"}, "B": set()})

    table.check({"A"}, "B")
    with pytest.raises(IllegalTransition, match="no move from B to A"):
        table.check({"B"}, "A")


# What claims rows stands in a CTE: a nested loop runs a subquery in FROM once for each outer row, and with SKIP LOCKED
# it claims another row each time, whatever its LIMIT. Which plan it is depends on the table's statistics.
CLAIM_IN_FROM = re.compile(r"\bFROM \(SELECT (?:(?! AS (?:MATERIALIZED )?\().)*?SKIP LOCKED", re.IGNORECASE)
LITERAL_SEAM = re.compile(r"[\"']\s*\n\s*f?[\"']")


def claims_in_from(source: str) -> list[str]:
    text = " ".join(LITERAL_SEAM.sub("", source).split())
    return [found[0] for found in CLAIM_IN_FROM.finditer(text)]


def test_no_claim_stands_in_a_subquery_that_a_plan_may_run_again():
    root = Path(__file__).resolve().parent.parent.parent
    sources = [
        path
        for context in ("shop", *CONTEXTS)
        for path in (root / context).rglob("*")
        if path.suffix in {".py", ".sql"}
    ]
    assert sum("SKIP LOCKED" in path.read_text() for path in sources) >= 4
    assert {path.name: found for path in sources if (found := claims_in_from(path.read_text()))} == {}


def test_claim_in_a_subquery_is_seen():
    assert claims_in_from(
        'text=f"UPDATE {table} AS inbox SET attempts = 1"\n'
        '        f" FROM (SELECT id FROM {table} WHERE due_at <= now()"\n'
        '        "  ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED) AS due WHERE inbox.id = due.id"'
    )
    assert not claims_in_from(
        "WITH due AS (SELECT id FROM t LIMIT 1 FOR UPDATE SKIP LOCKED) UPDATE t SET a = 1 FROM due"
    )
