"""What the pages share that let staff ask the provider."""

from __future__ import annotations

from collections.abc import Callable

from django.db.models import Model
from django.http import HttpRequest

from payments.gateways import ProviderMismatch, ProviderRefused
from shop.admin import Otherwise, ReadOnlyAdmin


class AsksProvider(ReadOnlyAdmin):
    """A read-only page from which staff may have the provider asked."""

    def has_ask_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Ask for the permission to have the provider asked."""
        return request.user.has_perm("payments.ask_provider")

    def attempt(
        self, request: HttpRequest, obj: Model, message: str, call: Callable[[], object], *, continues: bool = True
    ) -> bool:
        """As ReadOnlyAdmin, and show an answer of the provider that cannot be recorded: staff ask where something is wrong."""

        def asked() -> object:
            try:
                return call()
            except (ProviderMismatch, ProviderRefused) as error:
                return Otherwise(f"{message}: the provider's answer was not recorded ({error})")

        return super().attempt(request, obj, message, asked, continues=continues)
