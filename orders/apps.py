"""Django's entry to orders."""

from django.apps import AppConfig


class OrdersConfig(AppConfig):
    """Register what orders hears, sweeps, tells, promises and measures."""

    name = "orders"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Import what registers itself."""
        from orders import audit, handlers, queries, story, tasks  # noqa: F401
        from orders.services import personal
        from shop.observability.metrics import register_gauge
        from shop.personal.keepers import register_keeper
        from shop.story.timeline import register_lookup, register_narrator

        register_narrator("orders", story.tell_story)
        register_lookup(queries.find_by_number)
        audit.register()
        register_keeper(personal.KEEPER, book=personal.BOOK)
        register_gauge(
            "shop_sagas_parked", "Sagas that wait for a human", context="orders", read=queries.count_parked_sagas
        )
        register_gauge(
            "shop_sagas_due_oldest_seconds",
            "For how long the longest overdue saga has been due",
            context="orders",
            read=queries.oldest_due_saga,
        )
        register_gauge(
            "shop_sagas_looping_seconds",
            "For how long the same saga has been walked at most without a walk coming to its end",
            context="orders",
            read=queries.longest_walked_saga,
        )
