"""What the processes of the campaign run with: the shop over RabbitMQ, with one more subscriber in another context."""

from tests.process.settings import *  # noqa: F403

INSTALLED_APPS = [*INSTALLED_APPS, "tests.proof.broker.apps.CampaignConfig"]  # noqa: F405
