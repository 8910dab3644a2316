"""`make simulate`: many seeds, on every core, with progress; or one seed in words."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import queue
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def main() -> int:
    """Read the command line and simulate; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.proof.simulator", description=__doc__)
    parser.add_argument("--histories", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=20261125, help="of the first history; each next one has the next")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--verbose", action="store_true", help="print every history in words")
    parser.add_argument("--shrink", action="store_true", help="make each failing history short, and print its choices")
    chosen = parser.parse_args()
    workers = min(chosen.workers, chosen.histories)
    return simulate(chosen.histories, chosen.seed, workers, verbose=chosen.verbose, shrinks=chosen.shrink)


def simulate(histories: int, seed: int, workers: int, *, verbose: bool = False, shrinks: bool = False) -> int:
    """Run the histories in processes, each with a PostgreSQL of its own; print what came out."""
    context = multiprocessing.get_context("spawn")
    results: Any = context.Queue()
    processes = [
        context.Process(
            target=work, args=(range(seed + number, seed + histories, workers), shrinks, results), daemon=True
        )
        for number in range(workers)
    ]
    for process in processes:
        process.start()
    began, kinds, broken, done = time.monotonic(), Counter[str](), 0, 0
    told_at = began
    while done < histories:
        try:
            words, happened, violations = results.get(timeout=5)
        except queue.Empty:
            if not all(process.is_alive() or process.exitcode == 0 for process in processes):
                say("a worker has died")
                return 2
            continue
        done += 1
        kinds.update(dict.fromkeys(happened, 1))
        broken += bool(violations)
        if violations or verbose:
            say(words + "\n")
        if time.monotonic() - told_at > 10 or done == histories:
            told_at = time.monotonic()
            rate = done / (told_at - began)
            say(f"{done:,} of {histories:,} histories, {rate:.1f}/s, {broken} with violations")
    for process in processes:
        process.join()
    for kind in sorted(kinds):
        say(f"{kinds[kind]:8,}  {kind}")
    return 1 if broken else 0


def work(seeds: range, shrinks: bool, results: Any) -> None:
    """Tell the histories of these seeds, in a process of their own."""
    with simulator() as telling:
        for seed in seeds:
            told = telling.tell(seed)
            words, kinds, violations = str(told), list(told.kinds), list(told.violations)
            if violations and shrinks:
                from tests.proof.simulator.shrinking import shrink

                short = shrink(telling, told)
                words = f"{words}\n\nthe same, made short: {short}\n{json.dumps(short.script, separators=(',', ':'))}"
            results.put((words, kinds, violations))


@contextmanager
def simulator() -> Iterator[Any]:
    """Have a database made, and a simulator running in it, where no pytest does so."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.test"
    import django

    from tests import database

    django.setup()
    from django.db import connections
    from django.test.utils import (
        setup_databases,
        setup_test_environment,
        teardown_databases,
        teardown_test_environment,
    )

    setup_test_environment()
    suffix = f"{os.getpid()}"
    for alias in connections:
        name = connections[alias].settings_dict["NAME"]
        connections[alias].settings_dict["TEST"]["NAME"] = f"test_{name}_{suffix}"
    every: Any = set(connections)
    made = setup_databases(verbosity=0, interactive=False, aliases=every, serialized_aliases=set())
    try:
        from tests.proof.simulator.history import Simulator

        telling = Simulator()
        with telling.running():
            yield telling
    finally:
        teardown_databases(made, verbosity=0)
        teardown_test_environment()
        database.pytest_unconfigure()


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
