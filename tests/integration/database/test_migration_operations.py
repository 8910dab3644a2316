"""Every kind of migration operation, forwards, backwards and forwards again, on tables in a context's schema."""

from collections.abc import Sequence

import pytest
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import RangeOperators
from django.contrib.postgres.operations import (
    AddConstraintNotValid,
    AddIndexConcurrently,
    RemoveIndexConcurrently,
    ValidateConstraint,
)
from django.db import models
from django.db.migrations import operations as op
from django.db.models.functions import Lower

from tests.integration.database.bench import ALIAS, Bench


def _double_counts(apps, editor) -> None:
    apps.get_model("orders", "Basket").objects.using(editor.connection.alias).update(count=models.F("count") * 2)


def _halve_counts(apps, editor) -> None:
    apps.get_model("orders", "Basket").objects.using(editor.connection.alias).update(count=models.F("count") / 2)


OPERATIONS: dict[str, Sequence[op.base.Operation]] = {
    "create_model": [op.CreateModel("Note", [("id", models.BigAutoField(primary_key=True))])],
    "create_model_with_many_to_many": [
        op.CreateModel(
            "Shelf", [("id", models.UUIDField(primary_key=True)), ("baskets", models.ManyToManyField("orders.Basket"))]
        )
    ],
    "delete_model": [op.DeleteModel("Line")],
    "delete_model_with_many_to_many": [op.DeleteModel("Line"), op.DeleteModel("Basket")],
    "rename_model": [op.RenameModel("Basket", "Trolley")],
    "rename_target_of_many_to_many": [op.RenameModel("Label", "Tag")],
    "alter_model_table": [op.AlterModelTable("Basket", "orders_crate")],
    "alter_model_table_comment": [op.AlterModelTableComment("Basket", "It holds lines")],
    "alter_unique_together": [op.AlterUniqueTogether("Line", set())],
    "alter_order_with_respect_to": [op.AlterOrderWithRespectTo("Line", "basket")],
    "alter_model_options": [op.AlterModelOptions("Line", {"verbose_name": "line"})],
    "alter_model_managers": [op.AlterModelManagers("Line", [("lines", models.Manager())])],
    "add_field": [op.AddField("Line", "price", models.IntegerField(default=3))],
    "add_field_with_database_default": [op.AddField("Line", "price", models.IntegerField(db_default=3))],
    "add_generated_field": [
        op.AddField(
            "Basket",
            "twice",
            models.GeneratedField(
                expression=models.F("count") * 2, output_field=models.IntegerField(), db_persist=True
            ),
        )
    ],
    "add_foreign_key": [op.AddField("Line", "label", models.ForeignKey("orders.Label", models.CASCADE, null=True))],
    "add_foreign_key_to_public": [
        op.AddField("Line", "person", models.ForeignKey("people.Person", models.CASCADE, null=True))
    ],
    "add_many_to_many": [op.AddField("Line", "labels", models.ManyToManyField("orders.Label"))],
    "remove_field": [op.RemoveField("Basket", "note")],
    "remove_foreign_key": [
        op.AddField("Line", "label", models.ForeignKey("orders.Label", models.CASCADE, null=True)),
        op.RemoveField("Line", "label"),
    ],
    "remove_many_to_many": [op.RemoveField("Basket", "labels")],
    "rename_field": [op.RenameField("Basket", "code", "number")],
    "rename_field_of_index": [op.RenameField("Line", "sku", "article")],
    "alter_field_type": [op.AlterField("Basket", "count", models.BigIntegerField(default=1))],
    "alter_text_to_number": [
        op.RunSQL("UPDATE orders_basket SET note = '7'", op.RunSQL.noop),
        op.AlterField("Basket", "note", models.IntegerField(db_index=True, default=0)),
    ],
    "alter_field_length": [op.AlterField("Basket", "code", models.CharField(max_length=99, unique=True))],
    "alter_field_drop_unique": [op.AlterField("Basket", "code", models.CharField(max_length=9))],
    "alter_field_drop_index": [op.AlterField("Basket", "note", models.CharField(max_length=9, default=""))],
    "alter_field_add_unique": [op.AlterField("Line", "sku", models.CharField(max_length=9, unique=True))],
    "alter_field_not_null": [op.AlterField("Basket", "size", models.PositiveIntegerField(default=5))],
    "alter_field_drop_check": [op.AlterField("Basket", "size", models.IntegerField(null=True))],
    "alter_primary_key_width": [op.AlterField("Basket", "id", models.BigAutoField(primary_key=True))],
    "alter_primary_key_to_plain": [op.AlterField("Basket", "id", models.IntegerField(primary_key=True))],
    "alter_foreign_key_to_one_to_one": [
        op.AlterField("Line", "basket", models.OneToOneField("orders.Basket", models.CASCADE))
    ],
    "alter_foreign_key_without_constraint": [
        op.AlterField("Line", "basket", models.ForeignKey("orders.Basket", models.CASCADE, db_constraint=False))
    ],
    "alter_field_comment": [op.AlterField("Basket", "count", models.IntegerField(default=1, db_comment="of lines"))],
    "add_index": [op.AddIndex("Basket", models.Index(fields=["size"], name="basket_size", include=["code"]))],
    "add_partial_expression_index": [
        op.AddIndex("Basket", models.Index(Lower("code"), name="basket_lower", condition=models.Q(count__gt=1)))
    ],
    "remove_index": [op.RemoveIndex("Basket", "basket_count")],
    "rename_index": [op.RenameIndex("Basket", "basket_total", old_name="basket_count")],
    "add_check": [
        op.AddConstraint("Basket", models.CheckConstraint(condition=models.Q(size__lt=9), name="basket_top"))
    ],
    "add_unique": [op.AddConstraint("Basket", models.UniqueConstraint(fields=["note"], name="basket_note"))],
    "add_partial_unique": [
        op.AddConstraint(
            "Basket", models.UniqueConstraint(fields=["note"], condition=models.Q(count=1), name="basket_one_note")
        )
    ],
    "add_deferrable_unique": [
        op.AddConstraint(
            "Basket",
            models.UniqueConstraint(fields=["note"], name="basket_late", deferrable=models.Deferrable.DEFERRED),
        )
    ],
    "add_exclusion": [
        op.AddConstraint(
            "Basket",
            ExclusionConstraint(
                name="basket_ranges",
                expressions=[
                    (models.Func("count", "size", function="int4range"), RangeOperators.OVERLAPS),
                ],
            ),
        )
    ],
    "remove_constraint": [op.RemoveConstraint("Basket", "basket_count_floor")],
    "alter_constraint": [
        op.AlterConstraint(
            "Basket",
            "basket_count_floor",
            models.CheckConstraint(
                condition=models.Q(count__gte=0), name="basket_count_floor", violation_error_message="Not below 0"
            ),
        )
    ],
    "not_valid_then_validate": [
        AddConstraintNotValid("Basket", models.CheckConstraint(condition=models.Q(size__lt=9), name="basket_top")),
        op.RunSQL(op.RunSQL.noop, op.RunSQL.noop),
        ValidateConstraint("Basket", "basket_top"),
    ],
    "run_sql": [
        op.RunSQL("ALTER TABLE orders_basket ADD COLUMN extra int", "ALTER TABLE orders_basket DROP COLUMN extra")
    ],
    "run_python": [op.RunPython(_double_counts, _halve_counts)],
    "separate_database_and_state": [
        op.SeparateDatabaseAndState(
            database_operations=[
                op.RunSQL(
                    "ALTER TABLE orders_line RENAME TO orders_row", "ALTER TABLE orders_row RENAME TO orders_line"
                )
            ],
            state_operations=[op.AlterModelTable("Line", "orders_row")],
        )
    ],
}


@pytest.mark.parametrize("operations", OPERATIONS.values(), ids=OPERATIONS.keys())
def test_operation_works_forwards_backwards_and_again(bench: Bench, operations: Sequence[op.base.Operation]) -> None:
    before, relations_before = bench.state, bench.relations()

    bench.apply(*operations)
    bench.assert_everything_in_its_place()
    relations_after = bench.relations()
    bench.unapply(before, *operations)
    bench.assert_everything_in_its_place()

    assert {r for r in bench.relations() if _named_by_us(r[1])} == {r for r in relations_before if _named_by_us(r[1])}
    bench.apply(*operations)
    assert {r for r in bench.relations() if _named_by_us(r[1])} == {r for r in relations_after if _named_by_us(r[1])}


def _named_by_us(name: str) -> bool:
    # Names of implicit indexes carry a hash or differ after a rename; names of tables and of declared indexes don't.
    return not name.endswith(("_key", "_uniq", "_like", "_pkey", "_seq")) and "_" in name and not _has_hash(name)


def _has_hash(name: str) -> bool:
    last = name.rpartition("_")[2]
    return len(last) == 8 and all(letter in "0123456789abcdef" for letter in last)


@pytest.mark.parametrize(
    "operation",
    [
        AddIndexConcurrently("Basket", models.Index(fields=["size"], name="basket_size")),
        RemoveIndexConcurrently("Basket", "basket_count"),
    ],
    ids=["add_index_concurrently", "remove_index_concurrently"],
)
def test_concurrent_index_works_both_ways(bench: Bench, operation: op.base.Operation) -> None:
    before = bench.state

    bench.apply(operation, atomic=False)
    bench.assert_everything_in_its_place()
    bench.unapply(before, operation, atomic=False)

    bench.assert_everything_in_its_place()
    assert ("orders", "basket_count") in bench.relations()
    assert ("orders", "basket_size") not in bench.relations()


def test_run_python_sees_the_rows_of_the_context(bench: Bench) -> None:
    bench.apply(op.RunPython(_double_counts, _halve_counts))

    assert list(bench.model("Basket").objects.using(ALIAS).values_list("count", flat=True)) == [2]


def test_unapplied_create_model_leaves_nothing_of_the_table(bench: Bench) -> None:
    before, operation = bench.state, op.CreateModel("Note", [("id", models.BigAutoField(primary_key=True))])
    bench.apply(operation)

    bench.unapply(before, operation)

    assert not [name for _schema, name in bench.relations() if "note_id" in name or name == "orders_note"]


def test_foreign_key_across_schemas_is_enforced(bench: Bench) -> None:
    bench.apply(op.AddField("Line", "person", models.ForeignKey("people.Person", models.CASCADE, null=True)))

    with bench.connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND confrelid = 'people_person'::regclass"
        )

        assert cursor.fetchone() == (1,)
