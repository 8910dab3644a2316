"""One order's story, told by every context for itself: what happened, and what happens next without anyone's help.

A context registers a narrator in its apps.py; `manage.py explain_order` and the admin put the stories together.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from shop.money import Money


@dataclass(frozen=True)
class Happening:
    """One thing that happened: when, in which context, in words for a human, with its facts."""

    at: datetime
    context: str
    what: str
    facts: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Upcoming:
    """One thing that will happen by itself; `at` is None where it waits for somebody outside."""

    context: str
    what: str
    at: datetime | None = None


@dataclass(frozen=True)
class Story:
    """What one context has to say about one order."""

    happened: tuple[Happening, ...] = ()
    upcoming: tuple[Upcoming, ...] = ()


def facts_of(payload: Mapping[str, object]) -> dict[str, object]:
    """Return an event's payload as facts for a human: amounts and lists as text, without the order that it is about."""
    return {name: _in_words(value) for name, value in payload.items() if name != "order_id"}


def _in_words(value: object) -> object:
    match value:
        case {"minor": int(minor), "currency": str(currency)}:
            return str(Money(minor, currency))
        case {"sku": sku, "quantity": quantity}:
            return f"{quantity} x {sku}"
        case list():
            return ", ".join(str(_in_words(each)) for each in value)
        case _:
            return value


Narrator = Callable[[uuid.UUID], Story]
_narrators: dict[str, Narrator] = {}


def register_narrator(context: str, narrator: Narrator) -> None:
    """Have `narrator(order_id)` speak for `context`."""
    _narrators[context] = narrator


def story_of(order_id: uuid.UUID) -> Story:
    """Return the whole story of one order, in the order of time; what waits for somebody outside comes last."""
    stories = [narrator(order_id) for narrator in _narrators.values()]
    happened = sorted((h for story in stories for h in story.happened), key=lambda h: h.at)
    upcoming = sorted(
        (u for story in stories for u in story.upcoming), key=lambda u: (u.at is None, u.at and u.at.timestamp())
    )
    return Story(tuple(happened), tuple(upcoming))
