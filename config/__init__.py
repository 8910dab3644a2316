"""Django's wiring: settings from the environment, Celery, URLs, what processes start with.

Imports every context; nothing imports it. Holds no business rule.
"""

from config.celery import app as celery_app

__all__ = ["celery_app"]
