"""Every event has a snapshot per version: what was published once can be read for good."""

from __future__ import annotations

import json
import os
import re
import types
import typing
import uuid
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from shop.events.event import Event, UnreadableEvent, registry
from shop.money import Money

SNAPSHOTS = Path(__file__).parent / "events"
PERSONAL = re.compile(r"email|name|address|phone|street|city|postal|card|secret|line1", re.IGNORECASE)
EXAMPLES: dict[object, object] = {
    uuid.UUID: uuid.UUID("018f0000-0000-7000-8000-000000000001"),
    str: "text",
    int: 7,
    bool: True,
    Money: Money(2450, "EUR"),
}


def example_of(kind: Any) -> Any:
    if kind in EXAMPLES:
        return EXAMPLES[kind]
    if typing.get_origin(kind) is tuple:
        return (example_of(typing.get_args(kind)[0]),)
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        return example_of(typing.get_args(kind)[0])
    if is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        made: Any = kind
        return made(**{field.name: example_of(hints[field.name]) for field in fields(kind)})
    raise AssertionError(f"an event carries ids, codes, numbers and amounts, not {kind}")


def as_json(event: Event) -> dict[str, Any]:
    return json.loads(json.dumps(event.payload()))


def product_events() -> dict[str, type[Event]]:
    return {name: event for name, event in registry.items() if not event.__module__.startswith("tests.")}


def snapshot_of(event: type[Event]) -> dict[str, Any]:
    return {"type": event.type, "version": event.version, "data": as_json(example_of(event))}


@pytest.mark.parametrize("name", sorted(product_events()))
def test_an_event_looks_as_its_snapshot(name: str):
    event = registry[name]
    path = SNAPSHOTS / f"{name}.v{event.version}.json"
    if os.environ.get("WRITE_SNAPSHOTS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(snapshot_of(event), indent=2, sort_keys=True) + "\n")

    assert path.exists(), "a new event or version: write its snapshot with WRITE_SNAPSHOTS=1 and commit it"
    assert json.loads(path.read_text()) == snapshot_of(event), "it changed: raise its version and teach upcast()"


@pytest.mark.parametrize("path", sorted(SNAPSHOTS.glob("*.json")), ids=lambda path: path.stem)
def test_every_version_that_was_ever_published_is_still_read(path: Path):
    snapshot = json.loads(path.read_text())

    event = registry[snapshot["type"]].read(snapshot["data"], snapshot["version"])

    if snapshot["version"] == event.version:
        assert as_json(event) == snapshot["data"]


@pytest.mark.parametrize("name", sorted(product_events()))
def test_an_event_carries_no_personal_data(name: str):
    named = [field.name for field in fields(registry[name])]

    assert [each for each in named if PERSONAL.search(each)] == []


def test_an_event_of_a_later_version_is_refused_not_misread():
    event = registry["order.placed"]

    with pytest.raises(UnreadableEvent, match="version 99 is unknown"):
        event.read({}, 99)


def test_a_field_that_this_release_does_not_know_is_ignored():
    event = registry["order.placed"]
    payload = snapshot_of(event)["data"] | {"later": "field"}

    assert as_json(event.read(payload, event.version)) == snapshot_of(event)["data"]


def test_a_planted_event_with_a_changed_field_differs_from_its_snapshot():
    @dataclass(frozen=True, kw_only=True)
    class Planted(Event):
        type = "tests.planted"
        order_id: uuid.UUID
        amount: int

    try:
        before = snapshot_of(Planted)

        @dataclass(frozen=True, kw_only=True)
        class Renamed(Event):
            order_id: uuid.UUID
            total: int

        Renamed.type = "tests.planted"

        assert snapshot_of(Renamed) != before
    finally:
        registry.pop("tests.planted", None)


def test_two_events_cannot_share_a_name():
    with pytest.raises(TypeError, match=r"two events are named order\.placed"):

        class Second(Event):
            type = "order.placed"
