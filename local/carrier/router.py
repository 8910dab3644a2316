"""The sandbox carrier's table is where shipping's are (Note [A table of shipping's first release])."""

from __future__ import annotations

from typing import Any

from django.db.models import Model

from shop.transactions import alias_for

_APP = "carrier"


class CarrierRouter:
    """Send what the sandbox carrier remembers to shipping's database; all else is for the next router."""

    def db_for_read(self, model: type[Model], **hints: Any) -> str | None:
        """Read where it is written."""
        return alias_for("shipping") if model._meta.app_label == _APP else None

    def db_for_write(self, model: type[Model], **hints: Any) -> str | None:
        """Write to shipping's alias."""
        return self.db_for_read(model)

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        """Migrate on shipping's alias only."""
        return db == alias_for("shipping") if app_label == _APP else None
