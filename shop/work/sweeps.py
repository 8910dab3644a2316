"""Work behind the requests: every piece is a row that is due, and a sweep takes the rows that are.

A sweep is asked for while something is due (lookout.py), or else on its interval, by Celery beat or `manage.py
run_background`. A commit that makes a row due wakes it at once (background.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any

from celery import Task, shared_task

from shop.actors import acting
from shop.work.places import run_in_place


@dataclass(frozen=True)
class Sweep:
    """A registered sweep: `run()` takes a turn at what is due and returns how many pieces it took.

    `at_once`: how many runs of it there may be at a time, in all processes. `due` names, by context, an SQL condition
    which holds while there is something to do; `waits` asks elsewhere. A sweep without either runs on its interval.
    """

    name: str
    context: str
    every_seconds: float
    run: Callable[[], int]
    task: Task[Any, Any]
    at_once: int = 1
    due: Callable[[], Mapping[str, str]] | None = None
    waits: Callable[[], bool] | None = None

    def run_in_place(self) -> int:
        """Run it unless it runs often enough already: the way in for tasks and wakes."""
        return run_in_place(self.name, self.run, at_once=self.at_once)


_sweeps: dict[str, Sweep] = {}


def sweep(
    *,
    every_seconds: float,
    at_once: int = 1,
    due: Callable[[], Mapping[str, str]] | None = None,
    waits: Callable[[], bool] | None = None,
) -> Callable[[Callable[[], int]], Callable[[], int]]:
    """Register the decorated function of a context's tasks.py, `<context>.<function>`, as a sweep and Celery task.

    The arguments are those of Sweep. It is asked for at least every `every_seconds` while something is due.
    """

    def register(run: Callable[[], int]) -> Callable[[], int]:
        context = run.__module__.partition(".")[0]
        name = f"{context}.{run.__name__}"

        def task(**_later_arguments: object) -> int:
            return sweep_named(name).run_in_place()

        made = shared_task(name=name, expires=60, ignore_result=True, acks_late=False)(task)
        _sweeps[name] = Sweep(
            name=name,
            context=context,
            every_seconds=every_seconds,
            run=_as_itself(name, run),
            task=made,
            at_once=at_once,
            due=due,
            waits=waits,
        )
        return run

    return register


def _as_itself(name: str, run: Callable[[], int]) -> Callable[[], int]:
    """Have the sweep be the one who does what it does, whoever woke it."""

    @wraps(run)
    def acts() -> int:
        with acting(f"sweep {name}"):
            return run()

    return acts


def sweep_named(name: str) -> Sweep:
    """Return a registered sweep. Raises: KeyError where there is none of that name."""
    return _sweeps[name]


def sweeps() -> tuple[Sweep, ...]:
    """Return every registered sweep."""
    return tuple(_sweeps.values())
