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
        from payments.gateways import load_provider
        from payments.queries import count_open_disputes, count_owed, count_unresolved, seconds_to_answer
        from payments.services import personal
        from payments.story import tell_story
        from shop.observability.metrics import register_gauge
        from shop.personal.keepers import register_keeper
        from shop.story.timeline import register_narrator

        load_provider()
        register_narrator("payments", tell_story)
        audit.register()
        register_keeper(personal.KEEPER)
        register_gauge(
            "shop_payments_unresolved",
            "Payments whose outcome at the provider is not known for over a minute",
            context="payments",
            read=lambda: {(): count_unresolved(older_than=timedelta(minutes=1))},
        )
        register_gauge(
            "shop_payments_owed",
            "Payments whose customers are owed money that a refund failed to bring",
            context="payments",
            read=lambda: {(): count_owed()},
        )
        register_gauge(
            "shop_disputes_open",
            "Disputes that are open, by status",
            context="payments",
            read=count_open_disputes,
            labels=["status"],
        )
        register_gauge(
            "shop_dispute_answer_seconds",
            "Time left to answer the most urgent dispute; absent when none is to be answered",
            context="payments",
            read=seconds_to_answer,
        )
