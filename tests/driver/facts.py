"""Facts that are lost on purpose: deleted behind the triggers that keep them, as no statement of the shop can."""

from __future__ import annotations

from typing import Any

from django.db import connections

from shop import transactions


def lose_facts(context: str, condition: str = "true", *parameters: Any) -> None:
    """Delete the facts of a context that fulfill this condition of SQL, from its outbox and its history."""
    with connections[transactions.alias_for(context)].cursor() as cursor:
        cursor.execute(
            "SET session_replication_role = replica; "
            + "".join(f"DELETE FROM {context}_{table} WHERE {condition}; " for table in ("outbox", "history"))
            + "SET session_replication_role = DEFAULT",
            [*parameters, *parameters],
        )
