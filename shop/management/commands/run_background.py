"""`manage.py run_background`: every sweep that has something to do, in one process, for the embedded profile without Celery."""

from __future__ import annotations

import queue
import signal
import threading
import time
from typing import Any

import structlog
from django.core.management.base import BaseCommand
from django.db import close_old_connections

from shop.work.lookout import Lookout
from shop.work.sweeps import Sweep, sweeps

log = structlog.get_logger(__name__)


class _ContextThread(threading.Thread):
    """Runs the sweeps of one context that are asked for, one after the other; asking twice is asking once."""

    def __init__(self, context: str, stop: threading.Event) -> None:
        super().__init__(name=f"sweeps of {context}", daemon=True)
        self._asked: queue.SimpleQueue[Sweep | None] = queue.SimpleQueue()
        self._waiting: set[str] = set()
        self._stop_asked = stop

    def ask(self, sweep: Sweep) -> None:
        if sweep.name not in self._waiting:
            self._waiting.add(sweep.name)
            self._asked.put(sweep)

    def end(self) -> None:
        self._asked.put(None)

    def run(self) -> None:
        while (sweep := self._asked.get()) is not None and not self._stop_asked.is_set():
            self._waiting.discard(sweep.name)
            close_old_connections()
            try:
                sweep.run_in_place()
            except Exception:
                # A sweep that fails is run again while it has something to do; the others go on meanwhile.
                log.exception("background.sweep_failed", sweep=sweep.name)


class Command(BaseCommand):
    """Run the sweeps until told to stop."""

    help = "Run every sweep that has something to do until SIGTERM; in production Celery's beat and workers do this."

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, lambda *_: stop.set())
        by_name = {sweep.name: sweep for sweep in sweeps()}
        # One thread per context: a slow provider delays payments, not the release of stock.
        threads = {context: _ContextThread(context, stop) for context in {each.context for each in by_name.values()}}
        for thread in threads.values():
            thread.start()

        def ask(name: str) -> None:
            threads[by_name[name].context].ask(by_name[name])

        lookout = Lookout(list(by_name.values()), ask, stopped=stop)
        lookout.start()
        self.stdout.write(f"{len(by_name)} sweeps are running; Ctrl-C stops them")
        self._keep_time([each for each in by_name.values() if each.due is None and each.waits is None], ask, stop)
        for thread in threads.values():
            thread.end()
        for thread in threads.values():
            thread.join(timeout=10)

    def _keep_time(self, timed: list[Sweep], ask: Any, stop: threading.Event) -> None:
        """Ask on their intervals for the sweeps of which nobody can say whether they have something to do, until told to stop."""
        next_at = {sweep.name: time.monotonic() for sweep in timed}
        while not stop.is_set():
            for sweep in timed:
                if next_at[sweep.name] <= time.monotonic():
                    next_at[sweep.name] = time.monotonic() + sweep.every_seconds
                    ask(sweep.name)
            stop.wait(max(0.0, min(next_at.values()) - time.monotonic()))
