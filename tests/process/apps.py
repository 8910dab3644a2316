"""Django's entry to the bench, for the processes under test."""

from django.apps import AppConfig


class BellTowerConfig(AppConfig):
    """Put the bench into a process of the shop."""

    name = "tests.process"
    label = "bell_tower"

    def ready(self) -> None:
        from tests.process import bell_tower

        bell_tower.install()
