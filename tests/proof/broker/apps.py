"""Django's entry to the campaign's subscriber, for the processes under test."""

from django.apps import AppConfig


class CampaignConfig(AppConfig):
    """Put the second subscriber beside that of the bell tower, which comes first in INSTALLED_APPS."""

    name = "tests.proof.broker"
    label = "broker_campaign"

    def ready(self) -> None:
        from tests.proof.broker import subscribers

        subscribers.install()
