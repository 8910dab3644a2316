"""`manage.py run_background`: every sweep on its schedule in one process, for the embedded profile without Celery."""

from __future__ import annotations

import heapq
import signal
import threading
import time
from typing import Any

import structlog
from django.core.management.base import BaseCommand
from django.db import close_old_connections

from shop.background import Sweep, sweeps

log = structlog.get_logger(__name__)


class Command(BaseCommand):
    """Run the sweeps until told to stop."""

    help = "Run every sweep on its schedule until SIGTERM; in production Celery's beat and workers do this."

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, lambda *_: stop.set())
        # One thread per context: a slow provider delays payments, not the release of stock.
        threads = [
            threading.Thread(target=self._work, args=(context, stop), name=f"sweeps of {context}", daemon=True)
            for context in sorted({sweep.context for sweep in sweeps()})
        ]
        for thread in threads:
            thread.start()
        self.stdout.write(f"{len(sweeps())} sweeps are running; Ctrl-C ends them")
        stop.wait()
        for thread in threads:
            thread.join(timeout=10)

    def _work(self, context: str, stop: threading.Event) -> None:
        started = time.monotonic()
        schedule = [(started, index, sweep) for index, sweep in enumerate(sweeps()) if sweep.context == context]
        heapq.heapify(schedule)
        while schedule and not stop.is_set():
            moment, index, sweep = schedule[0]
            if stop.wait(max(0.0, moment - time.monotonic())):
                return
            self._run(sweep)
            heapq.heapreplace(schedule, (time.monotonic() + sweep.every_seconds, index, sweep))

    def _run(self, sweep: Sweep) -> None:
        close_old_connections()
        try:
            sweep.run()
        except Exception:
            # A sweep that fails is run again on its schedule; the others go on meanwhile.
            log.exception("background.sweep_failed", sweep=sweep.name)
