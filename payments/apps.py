"""Django's entry to payments."""

from datetime import timedelta

from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    """Register payments' sweeps, its narrator and its part of the audit."""

    name = "payments"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Import what registers itself; only now are the models loaded."""
        from payments import audit, tasks  # noqa: F401
        from payments.queries import count_unresolved
        from payments.story import tell_story
        from shop.observability.metrics import register_gauge
        from shop.timeline import register_narrator

        register_narrator("payments", tell_story)
        audit.register()
        register_gauge(
            "shop_payments_unresolved",
            "Payments whose outcome at the provider is not known for over a minute",
            context="payments",
            read=lambda: {(): count_unresolved(older_than=timedelta(minutes=1))},
        )
