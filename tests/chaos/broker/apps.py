"""Django's entry to the campaign's subscriber, for the processes under test."""

from django.apps import AppConfig


class CampaignConfig(AppConfig):
    """Put the second subscriber beside that of the bell tower, which comes first in INSTALLED_APPS."""

    name = "tests.chaos.broker"
    label = "broker_campaign"

    def ready(self) -> None:
        from tests.chaos.broker import subscribers

        subscribers.install()
