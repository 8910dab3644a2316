"""A workbench for migration operations on one connection."""

from collections.abc import Sequence
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import Migration
from django.db.migrations import operations as op
from django.db.migrations.state import ProjectState

ALIAS = "engine"


class Bench:
    """Applies operations one after another, as `migrate` would."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.connection = connection
        self.state = ProjectState()

    def apply(self, *operations: op.base.Operation, app: str = "orders", atomic: bool = True) -> None:
        migration = _migration(operations, app, atomic)
        with self.connection.schema_editor(atomic=atomic) as editor:
            self.state = migration.apply(self.state.clone(), editor)

    def unapply(self, before: ProjectState, *operations: op.base.Operation, atomic: bool = True) -> None:
        with self.connection.schema_editor(atomic=atomic) as editor:
            _migration(operations, "orders", atomic).unapply(before.clone(), editor)
        self.state = before

    def model(self, name: str, app: str = "orders") -> Any:
        return self.state.apps.get_model(app, name)

    def relations(self) -> set[tuple[str, str]]:
        """List (schema, name) of every table, index and sequence of ours."""
        with self.connection.cursor() as cursor:
            cursor.execute(
                "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                " WHERE n.nspname NOT IN ('pg_catalog', 'pg_toast', 'information_schema')"
            )
            return set(cursor.fetchall())

    def assert_everything_in_its_place(self) -> None:
        for schema, name in self.relations():
            owner = "public" if name.startswith("people") else "orders"
            assert schema == owner, f"{name} is in schema {schema}"
        for model in self.state.apps.get_models():
            through = [field.remote_field.through for field in model._meta.local_many_to_many]
            for table in (model, *through):
                list(table._base_manager.using(ALIAS).all())


def _migration(operations: Sequence[op.base.Operation], app: str, atomic: bool) -> Migration:
    migration: Any = Migration("0001_probe", app)
    migration.operations = list(operations)
    migration.atomic = atomic
    return migration
