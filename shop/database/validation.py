"""The system check that `migrate` and `check --database` run: the search path must reach every schema."""

from typing import Any

from django.core import checks
from django.db.backends.base.validation import BaseDatabaseValidation

from shop.database.schemas import SEARCH_PATH


class DatabaseValidation(BaseDatabaseValidation):
    """Refuse a connection that would not see the contexts' tables."""

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        """Compare the session's search path with the engine's."""
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('search_path'), quote_ident(current_user)")
            search_path, role = cursor.fetchone()
        reached = {name.strip().strip('"') for name in search_path.split(",")}
        missing = [schema for schema in SEARCH_PATH if schema not in reached]
        if not missing:
            return []
        return [
            checks.Error(
                f"The search_path of database '{self.connection.alias}' lacks {', '.join(missing)}.",
                hint=f"ALTER ROLE {role} SET search_path = {', '.join(SEARCH_PATH)};",
                id="shop.E001",
            )
        ]
