"""Which database a model lives in: its context's own alias where one is configured, else `default`."""

from typing import Any

from django.db import DEFAULT_DB_ALIAS
from django.db.models import Model

from shop import transactions
from shop.contexts import CONTEXTS


def _alias_of(app_label: str) -> str:
    """Name the database alias that holds the tables of this app."""
    return transactions.alias_for(app_label) if app_label in CONTEXTS else DEFAULT_DB_ALIAS


class ContextRouter:
    """Keep every context's tables on its alias, and relations inside one context."""

    def db_for_read(self, model: type[Model], **hints: Any) -> str:
        """Read where it is written: an order must be seen by the request after the one that placed it."""
        return _alias_of(model._meta.app_label)

    def db_for_write(self, model: type[Model], **hints: Any) -> str:
        """Write to the context's own alias."""
        return _alias_of(model._meta.app_label)

    def allow_relation(self, obj1: Model, obj2: Model, **hints: Any) -> bool:
        """Allow relations within one app, and among apps that belong to no context."""
        one, other = obj1._meta.app_label, obj2._meta.app_label
        return one == other or (one not in CONTEXTS and other not in CONTEXTS)

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        """Migrate each app on its own alias only."""
        return db == _alias_of(app_label)
