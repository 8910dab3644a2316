"""The schema editor: a table is created in its context's schema; everything else finds it by search path."""

from types import TracebackType
from typing import Any, Self

from django.db.backends.postgresql import schema
from django.db.models import Model

from shop.database.client import sends_search_path
from shop.database.schemas import PUBLIC, schema_of


class DatabaseSchemaEditor(schema.DatabaseSchemaEditor):
    """Create tables in their context's schema, and let migrations run longer than a request may.

    Indexes, constraints and identity sequences follow their table. A lock that can't be had is still given up after
    `lock_timeout`, so that a migration never queues all traffic behind itself.
    """

    def __enter__(self) -> Self:
        """Begin, without the statement timeout of the connection."""
        super().__enter__()
        self._lift_statement_timeout()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc_value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End; the statement timeout applies again."""
        try:
            super().__exit__(exc_type, exc_value, traceback)
        finally:
            if self._timeout_lifted_for_session and self.connection.connection is not None:
                self.execute("RESET statement_timeout", None)

    def create_model(self, model: type[Model]) -> None:
        """Create the table, and first the schema of its app if that is missing."""
        self._ensure_schema(schema_of(model._meta.app_label))
        super().create_model(model)

    def table_sql(self, model: type[Model]) -> tuple[str, list[Any]]:
        """Qualify the new table's name, so that the order of the search path doesn't decide where it lands."""
        sql, params = super().table_sql(model)
        table = self.quote_name(model._meta.db_table)
        unqualified, qualified = f"CREATE TABLE {table} (", f"CREATE TABLE {self._qualified(model)} ("
        if not sql.startswith(unqualified):
            raise NotImplementedError(f"Django creates {table} by a statement this engine doesn't know: {sql[:60]}")
        return qualified + sql.removeprefix(unqualified), params

    def _qualified(self, model: type[Model]) -> str:
        return f"{self.quote_name(schema_of(model._meta.app_label))}.{self.quote_name(model._meta.db_table)}"

    def _ensure_schema(self, name: str) -> None:
        # IF NOT EXISTS alone demands the right to create schemas even where a DBA has already made this one.
        if name != PUBLIC and (self.collect_sql or not self._schema_exists(name)):
            self.execute(f"CREATE SCHEMA IF NOT EXISTS {self.quote_name(name)}", None)

    def _schema_exists(self, name: str) -> bool:
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = %s", [name])
            return cursor.fetchone() is not None

    def _lift_statement_timeout(self) -> None:
        # Behind a pooler a plain SET would stay on a server connection that others use next.
        self._timeout_lifted_for_session = False
        if self.collect_sql:
            return
        if self.connection.in_atomic_block:
            self.execute("SET LOCAL statement_timeout = 0", None)
        elif sends_search_path(self.connection.settings_dict):
            self.execute("SET statement_timeout = 0", None)
            self._timeout_lifted_for_session = True
