"""Django's entry to the kernel."""

from django.apps import AppConfig


class ShopConfig(AppConfig):
    """Register the kernel's sweeps and Celery task."""

    name = "shop"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Import what registers itself."""
        from shop import tasks  # noqa: F401
        from shop.observability.metrics import register_kernel_gauges

        register_kernel_gauges()
