"""The connection: finds every schema through the search path, and counts queries for Prometheus.

`OPTIONS["search_path"]` is "connection" (default: sent with every connect) or "role" (the login role has it by
`ALTER ROLE ... SET search_path`; PgBouncer refuses the `options` parameter that "connection" needs).
"""

from typing import Any

from django_prometheus.db.backends.postgresql import base

from config.db.postgresql.client import DatabaseClient, sends_search_path
from config.db.postgresql.schema import DatabaseSchemaEditor
from config.db.postgresql.validation import DatabaseValidation
from config.db.schemas import SEARCH_PATH


class DatabaseWrapper(base.DatabaseWrapper):
    """A PostgreSQL connection whose unqualified table names resolve in every context's schema."""

    SchemaEditorClass = DatabaseSchemaEditor
    client_class = DatabaseClient
    validation_class = DatabaseValidation

    def get_connection_params(self) -> dict[str, Any]:
        """Add the search path to the start-up options; options from the settings come last and win."""
        params: dict[str, Any] = super().get_connection_params()  # type: ignore[no-untyped-call]  # django-prometheus has no types
        params.pop("search_path", None)
        if sends_search_path(self.settings_dict):
            params["options"] = f"-c search_path={','.join(SEARCH_PATH)} {params.get('options', '')}".rstrip()
        return params
