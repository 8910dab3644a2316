"""What the pages share that let staff ask the provider."""

from __future__ import annotations

from django.http import HttpRequest

from shop.admin import ReadOnlyAdmin


class AsksProvider(ReadOnlyAdmin):
    """A read-only page from which staff may have the provider asked."""

    def has_ask_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Ask for the permission to have the provider asked."""
        return request.user.has_perm("payments.ask_provider")
