"""Django's entry to what the bench puts into the processes of the shop."""

from django.apps import AppConfig
from django.conf import settings


class BenchConfig(AppConfig):
    """Replace the provider and count, where the settings ask for it."""

    name = "tests.load"
    label = "bench"

    def ready(self):
        if settings.BENCH_PROVIDER == "free":  # type: ignore[misc]
            from tests.load import free_provider

            free_provider.install()
        if counts := settings.BENCH_COUNTS:  # type: ignore[misc]
            from tests.load import tally

            tally.install(counts)
        if stages := settings.BENCH_STAGES:  # type: ignore[misc]
            from tests.load import stages as stamped

            stamped.install(stages)
