"""Django's entry to the kernel."""

from django.apps import AppConfig


class ShopConfig(AppConfig):
    """Register the kernel's sweeps and Celery task, its figures, and what the bus tells of an order; let workers survive any message."""

    name = "shop"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Import what registers itself."""
        from shop import tasks  # noqa: F401
        from shop.accounts import addresses
        from shop.audit.bus import register_past_checks
        from shop.audit.kernel import register_kernel_checks
        from shop.audit.unheard import register_unheard_checks
        from shop.events import republish, trusted
        from shop.events.gauges import register_kernel_gauges
        from shop.observability.metrics import register_gauge
        from shop.personal import erasure, guests
        from shop.story import bus
        from shop.story.timeline import register_narrator

        addresses.connect()
        guests.connect()
        trusted.accept_any_properties()
        register_unheard_checks()
        register_past_checks()
        register_kernel_checks()
        republish.start_counting()
        register_kernel_gauges()
        register_narrator("bus", bus.tell_story)
        register_gauge(
            "shop_erasure_oldest_seconds",
            "Age of the oldest erasure of a person that is not finished",
            context="shop",
            read=erasure.oldest_open,
        )
        erasure.register_audit_check()
