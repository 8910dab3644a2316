"""Django's entry to the sandbox carrier."""

from django.apps import AppConfig


class CarrierConfig(AppConfig):
    """A carrier's own table and page; SHIPPING_CARRIERS names the carrier itself."""

    name = "local.carrier"
    verbose_name = "Sandbox carrier"
    default_auto_field = "django.db.models.BigAutoField"
