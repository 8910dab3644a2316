"""Django's entry to shipping."""

from __future__ import annotations

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import Error, register
from django.db.models.signals import post_delete, post_save


class ShippingConfig(AppConfig):
    """Register what shipping hears, sweeps, tells and promises."""

    name = "shipping"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Import what registers itself."""
        from shipping import audit, handlers, queries, tasks  # noqa: F401
        from shipping.models import ShippingOption, ShippingRate
        from shipping.services import personal
        from shop.personal.keepers import register_keeper
        from shop.story.timeline import register_narrator

        register_narrator("shipping", queries.tell_story)
        audit.register()
        register_keeper(personal.KEEPER)
        register(carrier_is_known)
        register(rate_service_is_known)
        for rule in (ShippingOption, ShippingRate):
            for change in (post_save, post_delete):
                change.connect(queries.OPTIONS.forget, sender=rule)


def carrier_is_known(**_kwargs: object) -> list[Error]:
    """Check that SHIPPING_CARRIER names a carrier, before a parcel asks for it."""
    from shipping.gateways import CARRIERS

    if settings.SHIPPING_CARRIER in CARRIERS:
        return []
    hint = f"Set it to one of: {', '.join(sorted(CARRIERS))}."
    return [Error(f"SHIPPING_CARRIER is {settings.SHIPPING_CARRIER!r}.", hint=hint, id="shipping.E001")]


def rate_service_is_known(**_kwargs: object) -> list[Error]:
    """Check that SHIPPING_RATE_SERVICE can be imported, and that it is said what happens where it fails."""
    from shipping.gateways.rates import load_rate_service

    errors, fallback = [], settings.SHIPPING_RATE_SERVICE_FALLBACK
    if fallback not in ("table", "refuse"):
        hint = "Set it to table or refuse."
        errors.append(Error(f"SHIPPING_RATE_SERVICE_FALLBACK is {fallback!r}.", hint=hint, id="shipping.E002"))
    try:
        load_rate_service()
    except ImportError as error:
        name = settings.SHIPPING_RATE_SERVICE
        errors.append(Error(f"SHIPPING_RATE_SERVICE is {name!r}: {error}.", id="shipping.E003"))
    return errors
