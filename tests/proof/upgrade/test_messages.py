"""What a release has told is understood for good: one golden message of each event and version, to each who hears it."""

from __future__ import annotations

import uuid
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from shop.events import inbox, subscribers
from shop.events.event import Envelope, registry
from tests.proof.report import Record
from tests.proof.upgrade.releases import Json, Release, present_version, recorded_releases
from tests.proof.upgrade.restoring import Serve, databases_of, write_books

RELEASES = recorded_releases()
GOLDEN = [
    pytest.param(message, id=f"{release.version} {name}")
    for release in RELEASES
    for name, message in release.messages.items()
]


def product_events() -> set[str]:
    return {f"{kind.type}.v{kind.version}" for kind in registry.values() if not kind.__module__.startswith("tests.")}


def test_every_event_of_a_release_has_its_golden_message():
    if present_version() not in {release.version for release in RELEASES}:
        pytest.fail(f"write down what this release tells: python -m tests.proof.upgrade.record {present_version()}")
    golden = {name for release in RELEASES for name in release.messages}

    assert product_events() - golden == set()


@pytest.mark.parametrize("message", GOLDEN)
def test_a_golden_message_is_read_whole(message: Json):
    envelope = Envelope.from_json(message)

    assert envelope.event().type == message["type"]
    assert envelope.to_json() == message


@pytest.mark.parametrize("message", GOLDEN)
def test_what_a_later_release_adds_is_no_matter(message: Json):
    known = Envelope.from_json(message).event()
    later = deepcopy(message) | {"partitionkey": "7"}
    later["data"]["a_field_of_tomorrow"] = {"any": ["thing"]}

    assert Envelope.from_json(later).event() == known


def heard_in(release: Release) -> set[str]:
    """Return every subscriber that the inboxes of a release name."""
    inboxes = [rows for table, rows in release.rows("rows").items() if table.endswith("_inbox")]
    return {str(row["subscriber"]) for rows in inboxes for row in rows}


def orphans(names: set[str]) -> set[str]:
    """Return the subscribers whom nobody answers for any more: what waits in their name is lost."""
    known = {subscriber.name for heard_by in subscribers.all_subscriptions().values() for subscriber in heard_by}
    return names - known


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.version)
def test_every_subscriber_of_a_release_is_known_under_its_name(release: Release):
    heard = heard_in(release)

    assert len(heard) > 1
    assert orphans(heard) == set()


def test_a_subscriber_that_was_renamed_is_noticed():
    assert orphans({"shipping.create_shipment_for_order", "shipping.send_the_parcel"}) == {"shipping.send_the_parcel"}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.version)
def test_every_subscriber_applies_every_golden_message(release: Release, serve: Serve, tmp_path: Path, proof: Record):
    """Each is given once as it was, so maybe as a copy, and once as an event of its own; both come late."""
    write_books(release, tmp_path / "books")
    wrong, deliveries = [], 0

    with databases_of(release), serve(tmp_path / "books"):
        for name, message in release.messages.items():
            for subscriber in subscribers.hearers_of(message["type"], message["data"]):
                for told in (message, message | {"id": str(uuid.uuid4())}):
                    deliveries += 1
                    reached = inbox.deliver(subscriber=subscriber.name, attributes=told)
                    wrong += [] if reached in (None, "PROCESSED") else [f"{name} at {subscriber.name}: {reached}"]

    proof("golden event payload", histories=len(release.messages) + deliveries, violations=wrong)
    assert wrong == []
    assert deliveries > 0


def test_an_event_of_a_later_release_waits_for_a_human_and_is_kept_whole():
    """After a rollback the older release meets what the newer one told: it is no poison, and nothing of it is lost."""
    message: dict[str, Any] = RELEASES[-1].messages["order.confirmed.v1"] | {"schemaversion": 99}

    assert inbox.deliver(subscriber="shipping.create_shipment_for_order", attributes=message) == "DEAD"
    assert inbox.inbox_of("shipping")._default_manager.get().envelope == message
