"""Django's wiring: settings, databases, routing, Celery and URLs.

Imports every context; nothing imports it. Holds no business rule.
"""

from config.celery import app as celery_app

__all__ = ["celery_app"]
