"""One order's story, told by every context for itself: what happened, and what happens next without anyone's help.

A context registers a narrator in its apps.py; `manage.py explain_order` and the admin put the stories together.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from shop.clock import now
from shop.events.past import PastFact
from shop.ids import read_id
from shop.money import Money


@dataclass(frozen=True)
class Happening:
    """One thing that happened: when, in which context, in words for a human, with its facts."""

    at: datetime
    context: str
    what: str
    facts: dict[str, object] = field(default_factory=dict)
    # The trace that it happened in, 32 hexadecimal digits; "" where nobody traced it.
    trace: str = ""
    # Who did it (shop/actors.py); "" where nobody has said.
    by: str = ""
    # The request that it was done in; "" outside of any.
    request: str = ""
    # The type of the fact that tells of it; "" where none does. Programs read this, `what` is for people.
    fact: str = ""


@dataclass(frozen=True)
class Upcoming:
    """One thing that will happen automatically; `at` is None where it waits for somebody outside.

    `by_staff`: it does not happen until a member of staff does it.
    """

    context: str
    what: str
    at: datetime | None = None
    by_staff: bool = False


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


def told_by(fact: PastFact, *, context: str, what: str) -> Happening:
    """Return a fact as a happening, with who did it and its trace."""
    return marked(Happening(fact.occurred_at, context, what, facts_of(fact.payload)), fact)


def marked(happening: Happening, fact: PastFact | None) -> Happening:
    """Return a happening with the type of its fact, who did it, the request and the trace (W3C Trace Context, `version-trace-span-flags`)."""
    if fact is None:
        return happening
    trace = fact.traceparent.split("-")[1] if fact.traceparent.count("-") > 1 else ""
    request = "" if fact.request_id is None else str(fact.request_id)
    return replace(happening, trace=trace, by=fact.actor, request=request, fact=fact.type)


Lookup = Callable[[str], uuid.UUID | None]
_lookups: list[Lookup] = []


def register_lookup(lookup: Lookup) -> None:
    """Have `lookup` find the order that somebody names otherwise than by its id; None where it knows none."""
    _lookups.append(lookup)


def order_named(name: str) -> uuid.UUID | None:
    """Return the id of the order that is meant: an id itself, or the number that its customer knows."""
    return read_id(name) or next((found for lookup in _lookups if (found := lookup(name)) is not None), None)


Narrator = Callable[[uuid.UUID], Story]
_narrators: dict[str, Narrator] = {}


def register_narrator(context: str, narrator: Narrator) -> None:
    """Have `narrator(order_id)` speak for `context`."""
    _narrators[context] = narrator


def story_of(order_id: uuid.UUID) -> Story:
    """Return the whole story of one order, in the order of time; what waits for staff comes first, for others last."""
    stories = [narrator(order_id) for narrator in _narrators.values()]
    happened = sorted((h for story in stories for h in story.happened), key=lambda h: h.at)
    upcoming = sorted(
        (u for story in stories for u in story.upcoming),
        key=lambda u: (not u.by_staff, u.at is None, u.at and u.at.timestamp()),
    )
    return Story(tuple(happened), tuple(upcoming))


def lines_of(story: Story) -> list[str]:
    """Return a story as lines of text: what happened, what waits for staff, what happens automatically."""
    first = story.happened[0].at
    lines, told_last = [f"{first:%Y-%m-%d %H:%M:%S} UTC"], {"by": "", "request": "", "trace": ""}
    for happening in story.happened:
        facts = [_told(name, value) for name, value in happening.facts.items() if value not in ("", None)]
        # Each of these is told where it changes: most of a story is the work of one request.
        for name, last in told_last.items():
            if (value := getattr(happening, name)) and value != last:
                told_last[name] = value
                facts.append(f"{name} {value}")
        offset = (happening.at - first).total_seconds()
        told = f"  ({', '.join(facts)})" if facts else ""
        lines.append(f"  +{offset:9.3f}s  {happening.context:<14} {happening.what}{told}")
    if waiting := [step for step in story.upcoming if step.by_staff]:
        lines.append("waits for staff:")
        lines += [f"  {'':<13}  {step.context:<14} {step.what}" for step in waiting]
    if automatic := [step for step in story.upcoming if not step.by_staff]:
        lines.append("next, automatically:")
        for step in automatic:
            lines.append(f"  {_when(step.at):<13}  {step.context:<14} {step.what}")
    if not story.upcoming:
        lines.append("nothing is left to do")
    return lines


def _told(name: str, value: object) -> str:
    if isinstance(value, bool):
        return name if value else f"not {name}"
    return f"{name} {value}"


def _when(at: datetime | None) -> str:
    if at is None:
        return "when it comes"
    return "due now" if at <= now() else f"{at:%H:%M:%S} UTC"
