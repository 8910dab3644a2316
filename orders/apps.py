"""Django's entry to orders."""

from django.apps import AppConfig


class OrdersConfig(AppConfig):
    """Register what orders hears, sweeps, tells, promises and measures."""

    name = "orders"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Import what registers itself."""
        from orders import audit, handlers, queries, story, tasks  # noqa: F401
        from shop.observability.metrics import register_gauge
        from shop.timeline import register_narrator

        register_narrator("orders", story.narrate)
        audit.register()
        register_gauge(
            "shop_sagas_parked", "Sagas that wait for a human", context="orders", read=queries.count_parked_sagas
        )
        register_gauge(
            "shop_sagas_due_oldest_seconds",
            "For how long the longest overdue saga has been due",
            context="orders",
            read=queries.oldest_due_saga,
        )
