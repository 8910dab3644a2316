"""What a context's docstring says it publishes and hears is what its code does; and whoever hears has a queue."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from importlib import import_module
from pathlib import Path

import pytest

from shop import topology
from shop.contexts import CONTEXTS
from shop.events.event import registry
from shop.events.subscribers import all_subscriptions

ROOT = Path(__file__).resolve().parents[2]
NAME = re.compile(r"(?<![\w.])(\w+)?\.(\*|[a-z_]+)(?![\w/*])")


def declared(docstring: str, word: str) -> set[str]:
    """Return the types that a docstring names after `Publishes:` or `Hears:`; `.sent` has the prefix of the name before."""
    (said,) = re.findall(rf"^{word}: (.*?)(?=^[A-Z]|\Z)", docstring, re.MULTILINE | re.DOTALL)
    found: set[str] = set()
    prefix = ""
    for first, rest in NAME.findall(said):
        prefix = first or prefix
        found.add(f"{prefix}.{rest}")
    return found


def published(context: str) -> set[str]:
    """Return the types of the events that a context defines."""
    return {name for name, event in registry.items() if event.__module__ == f"{context}.events"}


def heard(context: str) -> set[str]:
    """Return the types of the events that a context subscribes to."""
    return {
        name
        for name, subscribers in all_subscriptions().items()
        if any(each.handler.__module__ == f"{context}.handlers" for each in subscribers)
    }


def differences(said: set[str], done: set[str]) -> list[str]:
    """Name what is said and not done, and what is done and not said; `payment.*` says all of them."""
    unsaid = {name for name in done if not any(fnmatchcase(name, pattern) for pattern in said)}
    idle = {pattern for pattern in said if not any(fnmatchcase(name, pattern) for name in done)}
    return sorted(unsaid | idle)


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize(("word", "does"), [("Publishes", published), ("Hears", heard)])
def test_a_docstring_names_what_its_context_publishes_and_hears(context: str, word: str, does):
    docstring = str(import_module(context).__doc__)

    assert differences(declared(docstring, word), does(context)) == []


def test_a_planted_difference_is_seen():
    docstring = "Planted.\n\nPublishes: order.placed, .lost,\nrefund.*.\nHears: nothing.\n"

    assert declared(docstring, "Publishes") == {"order.placed", "order.lost", "refund.*"}
    assert declared(docstring, "Hears") == set()
    assert differences({"order.placed", "order.lost", "refund.*"}, {"order.placed", "refund.failed", "order.won"}) == [
        "order.lost",
        "order.won",
    ]


def test_a_context_with_handlers_hears_over_a_queue_and_no_other_does():
    with_handlers = {context for context in CONTEXTS if (ROOT / context / "handlers.py").exists()}

    assert set(topology.HEARING) == with_handlers == {context for context in CONTEXTS if heard(context)}
