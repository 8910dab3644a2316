"""Django's entry to orders."""

from __future__ import annotations

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import Error, register
from django.db.models.signals import post_delete, post_save


class OrdersConfig(AppConfig):
    """Register what orders hears, sweeps, tells, promises and measures."""

    name = "orders"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Import what registers itself."""
        from orders import audit, handlers, queries, story, tasks  # noqa: F401
        from orders.models import Fee, TaxRate
        from orders.services import personal
        from shop.observability.metrics import register_gauge
        from shop.personal.keepers import register_keeper
        from shop.story.timeline import register_lookup, register_narrator

        for rule in (TaxRate, Fee):
            for change in (post_save, post_delete):
                change.connect(queries.RULES.forget, sender=rule)
        register(tax_service_is_known)
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


def tax_service_is_known(**_kwargs: object) -> list[Error]:
    """Check that TAX_SERVICE can be imported and that it is said what happens where it fails, before an order asks."""
    from orders.gateways import load_tax_service

    errors = []
    if settings.TAX_SERVICE_FALLBACK not in ("table", "refuse"):
        hint = "Set it to table or refuse."
        errors.append(Error(f"TAX_SERVICE_FALLBACK is {settings.TAX_SERVICE_FALLBACK!r}.", hint=hint, id="orders.E001"))
    try:
        load_tax_service()
    except ImportError as error:
        errors.append(Error(f"TAX_SERVICE is {settings.TAX_SERVICE!r}: {error}.", id="orders.E002"))
    return errors
