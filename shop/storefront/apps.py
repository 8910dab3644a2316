"""Django's entry to the storefront: its templates and static files."""

from django.apps import AppConfig


class StorefrontConfig(AppConfig):
    """Have Django find the shell and the files beside it."""

    name = "shop.storefront"
