"""Looking for work: one statement per context tells which of its sweeps have something to do; only those are asked for.

It replaces a schedule that asks for every sweep all the time, and nothing waits longer than with one: each context is
looked at as often as the most frequent of its sweeps would be. An idle shop costs a few reads a second, and no message.
"""

from __future__ import annotations

import math
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import structlog
from django.db import InterfaceError, OperationalError, connections

from shop import transactions
from shop.statements import Statement
from shop.work.sweeps import Sweep

log = structlog.get_logger(__name__)

REST_AFTER_FAILURE_SECONDS = 1.0


@dataclass
class _Look:
    """What is asked of one context: its sweeps, in the order of the answer's columns, and when it is asked next."""

    context: str
    every_seconds: float
    sweeps: list[Sweep]
    statement: Statement
    next_at: float = 0.0

    def find(self) -> list[Sweep]:
        """Return the sweeps that have something to do here."""
        answer = self.statement.one() or ()
        return [sweep for sweep, is_due in zip(self.sweeps, answer, strict=True) if is_due]


@dataclass
class Lookout:
    """Looks for work until it is stopped, and calls `ask` with the name of each sweep that has some.

    A thread for each database, so that one which hangs hides no other, and one for what waits elsewhere.
    """

    sweeps: Iterable[Sweep]
    ask: Callable[[str], None]
    stopped: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Begin to look, in threads that end with the process."""
        self._asked_at: dict[str, float] = {}
        by_alias: defaultdict[str, list[_Look]] = defaultdict(list)
        for look in _looks(self.sweeps):
            by_alias[transactions.alias_for(look.context)].append(look)
        for alias, looks in by_alias.items():
            self._start_thread(alias, self._look_at_database, alias, looks)
        for sweep in self.sweeps:
            if sweep.waits is not None:
                self._start_thread(sweep.name, self._look_elsewhere, sweep)

    def stop(self) -> None:
        """End the threads as soon as they have looked."""
        self.stopped.set()

    def _start_thread(self, name: str, target: Callable[..., None], *arguments: object) -> None:
        threading.Thread(target=target, args=arguments, name=f"lookout {name}", daemon=True).start()

    def _look_at_database(self, alias: str, looks: list[_Look]) -> None:
        failing = False
        while not self.stopped.wait(max(0.0, min(look.next_at for look in looks) - time.monotonic())):
            try:
                for look in looks:
                    if look.next_at <= time.monotonic():
                        self._ask_for(look.find())
                        look.next_at = time.monotonic() + look.every_seconds
                failing = False
            except (OperationalError, InterfaceError) as error:
                if not failing:
                    log.warning("lookout.database_unavailable", database=alias, error=repr(error))
                failing = True
                self._rest(alias, looks)
            except Exception:
                # It must outlive whatever it meets: the whole shop waits for what it finds.
                log.exception("lookout.failed", database=alias)
                self._rest(alias, looks)
        connections[alias].close()

    def _rest(self, alias: str, looks: list[_Look]) -> None:
        connections[alias].close()
        for look in looks:
            look.next_at = time.monotonic() + REST_AFTER_FAILURE_SECONDS

    def _look_elsewhere(self, sweep: Sweep) -> None:
        assert sweep.waits is not None  # noqa: S101  start() chose it
        failing = False
        while not self.stopped.wait(sweep.every_seconds):
            try:
                if sweep.waits():
                    self.ask(sweep.name)
                failing = False
            except Exception as error:  # noqa: BLE001  whoever is asked may be away, in any way: asked again soon
                if not failing:
                    log.warning("lookout.failed", sweep=sweep.name, error=repr(error))
                failing = True
        connections.close_all()

    def _ask_for(self, found: list[Sweep]) -> None:
        """Ask for these, each no more often than its interval says: what it has at hand may be due for a while yet."""
        for sweep in found:
            present = time.monotonic()
            if present >= self._asked_at.get(sweep.name, -math.inf) + sweep.every_seconds:
                self._asked_at[sweep.name] = present
                self.ask(sweep.name)


def _looks(sweeps: Iterable[Sweep]) -> list[_Look]:
    """Return one look for each context in which a sweep may find something."""
    asked: defaultdict[str, dict[Sweep, str]] = defaultdict(dict)
    for sweep in sweeps:
        for context, condition in (sweep.due() if sweep.due is not None else {}).items():
            asked[context][sweep] = condition
    return [
        _Look(
            context=context,
            every_seconds=min(sweep.every_seconds for sweep in conditions),
            sweeps=list(conditions),
            statement=Statement(context, "look", text=f"SELECT {', '.join(conditions.values())}"),
        )
        for context, conditions in sorted(asked.items())
    ]
