"""Django's entry to shipping."""

from __future__ import annotations

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import Error, register


class ShippingConfig(AppConfig):
    """Register what shipping hears, sweeps, tells and promises."""

    name = "shipping"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Import what registers itself."""
        from shipping import audit, handlers, queries, tasks  # noqa: F401
        from shipping.services import personal
        from shop.personal.keepers import register_keeper
        from shop.story.timeline import register_narrator

        register_narrator("shipping", queries.tell_story)
        audit.register()
        register_keeper(personal.KEEPER)
        register(carrier_is_known)


def carrier_is_known(**_kwargs: object) -> list[Error]:
    """Check that SHIPPING_CARRIER names a carrier, before a parcel asks for it."""
    from shipping.gateways import CARRIERS

    if settings.SHIPPING_CARRIER in CARRIERS:
        return []
    hint = f"Set it to one of: {', '.join(sorted(CARRIERS))}."
    return [Error(f"SHIPPING_CARRIER is {settings.SHIPPING_CARRIER!r}.", hint=hint, id="shipping.E001")]
