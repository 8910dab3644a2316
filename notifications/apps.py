"""Django's entry to notifications."""

from __future__ import annotations

from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    """Register what notifications hears, sweeps, tells and promises."""

    name = "notifications"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Import what registers itself."""
        from notifications import audit, handlers, queries, tasks  # noqa: F401
        from notifications.services import personal
        from shop.personal.keepers import register_keeper
        from shop.story.timeline import register_narrator

        register_narrator("notifications", queries.tell_story)
        audit.register()
        register_keeper(personal.KEEPER)
