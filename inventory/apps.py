"""Django's entry to inventory."""

from django.apps import AppConfig


class InventoryConfig(AppConfig):
    """Register inventory's sweeps, its part of an order's story, and its promises."""

    name = "inventory"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Import what registers itself."""
        from inventory import audit, queries, tasks  # noqa: F401
        from shop.observability.metrics import register_gauge
        from shop.storefront.views import register_products
        from shop.story.timeline import register_narrator

        register_products(queries.is_for_sale)
        register_narrator("inventory", queries.tell_story)
        audit.register()
        register_gauge(
            "shop_reservations",
            "Reservations by status",
            context="inventory",
            read=queries.count_reservations,
            labels=("status",),
        )
