"""`manage.py dbshell`: psql that finds the same tables as Django."""

from collections.abc import Iterable
from typing import Any

from django.db.backends.postgresql import client

from shop.database.schemas import SEARCH_PATH


def sends_search_path(settings_dict: dict[str, Any]) -> bool:
    """Return whether connections of this alias send their search path, rather than inherit the role's."""
    return bool(settings_dict["OPTIONS"].get("search_path", "connection") == "connection")


class DatabaseClient(client.DatabaseClient):
    """psql with the engine's search path."""

    @classmethod
    def settings_to_cmd_args_env(
        cls, settings_dict: dict[str, Any], parameters: Iterable[str]
    ) -> tuple[list[str], dict[str, str] | None]:
        """Pass the search path on in PGOPTIONS, unless the role has it."""
        args, env = super().settings_to_cmd_args_env(settings_dict, parameters)
        if sends_search_path(settings_dict):
            env = {**(env or {}), "PGOPTIONS": f"-c search_path={','.join(SEARCH_PATH)}"}
        return args, env
