"""The AsyncAPI document is whole: each event of each context, each reference, and what is committed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from django.conf import settings as django_settings
from jsonschema.protocols import Validator

from shop.contexts import CONTEXTS
from shop.events import catalogue
from shop.events.event import Envelope, registry
from tests.architecture.test_events import product_events
from tests.proof.upgrade.releases import recorded_releases

COMMITTED = Path(django_settings.BASE_DIR) / "docs" / "asyncapi.yaml"
# AsyncAPI 3.0: what may stand in each object that the document uses.
MEMBERS = {
    "document": {"asyncapi", "info", "defaultContentType", "channels", "operations", "components"},
    "channel": {"address", "messages", "bindings"},
    "operation": {"action", "channel", "messages"},
    "message": {"name", "title", "summary", "contentType", "correlationId", "payload"},
}
COMPONENT_NAME = re.compile(r"^[\w.-]+$", re.ASCII)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return yaml.safe_load(COMMITTED.read_text())


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for each in node:
            yield from references(each)


def pointed_at(document: dict[str, Any], reference: str) -> Any:
    found: Any = document
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found


def test_the_document_says_which_members_are_personal(document: dict[str, Any]):
    description = document["info"]["description"]

    assert "No personal data" not in description
    for name, schema in document["components"]["schemas"].items():
        event = next((event for event in registry.values() if event.__name__ == name), None)
        if event is not None and "tracking_number" in schema["properties"]:
            assert f"`{event.type}`" in description
    assert "`tracking_number` in `order.shipped`, `shipment.delivered`, `shipment.dispatched`" in description


def test_the_committed_document_is_what_the_code_describes(document: dict[str, Any]):
    assert document == catalogue.document(), "run `make schema`, look at the difference, and commit it"


def test_every_event_of_every_context_is_told_of(document: dict[str, Any]):
    events = set(product_events())

    assert {registry[name].context() for name in events} == set(CONTEXTS)
    assert set(document["channels"]) == set(document["components"]["messages"]) == events
    assert {operation["channel"]["$ref"] for operation in document["operations"].values()} == {
        f"#/channels/{name}" for name in events
    }


def test_the_document_has_the_shape_of_asyncapi_3(document: dict[str, Any]):
    assert document["asyncapi"] == "3.0.0"
    assert set(document) == MEMBERS["document"]
    for kind, objects in (
        ("channel", document["channels"]),
        ("operation", document["operations"]),
        ("message", document["components"]["messages"]),
    ):
        for name, described in objects.items():
            assert COMPONENT_NAME.match(name)
            assert set(described) == MEMBERS[kind], name
    assert {operation["action"] for operation in document["operations"].values()} == {"send"}
    for name in document["components"]["schemas"]:
        assert COMPONENT_NAME.match(name)


def test_every_reference_leads_somewhere(document: dict[str, Any]):
    found = list(references(document))

    assert len(found) > 4 * len(document["channels"])
    for reference in found:
        assert isinstance(pointed_at(document, reference), dict), reference


def test_every_schema_is_one(document: dict[str, Any]):
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def validator(document: dict[str, Any], event_type: str) -> Validator:
    """Return what an outsider checks a message with, by the document alone."""
    payload = document["components"]["messages"][event_type]["payload"]
    return jsonschema.Draft202012Validator(
        payload | {"components": document["components"]}, format_checker=jsonschema.FormatChecker()
    )


@pytest.mark.parametrize("message", recorded_releases()[-1].messages.values(), ids=lambda message: message["type"])
def test_what_a_release_told_is_still_as_described(document: dict[str, Any], message: dict[str, Any]):
    from shop.events import cloudevents

    told = cloudevents.attributes_of(Envelope.from_json(message))

    assert list(validator(document, message["type"]).iter_errors(told)) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "order.placed"},
        {"source": "/orders"},
        {"sequence": "9"},
        {"traceparent": "none"},
        {"data": {"order_id": 7}},
        {"id": None},
    ],
    ids=str,
)
def test_what_is_not_as_described_is_noticed(document: dict[str, Any], wrong: dict[str, Any]):
    from shop.events import cloudevents

    told = cloudevents.attributes_of(Envelope.from_json(recorded_releases()[-1].messages["order.placed.v1"]))

    assert list(validator(document, "order.placed").iter_errors(told | wrong))


@pytest.mark.parametrize(
    ("variable", "wrong", "right"),
    [
        ("EVENTS_SOURCE", "my shop", "https://shop.example.com"),
        ("EVENTS_TYPE_PREFIX", "Com.Example.", "com.example.shop"),
    ],
)
def test_a_source_or_prefix_that_makes_no_cloudevent_stops_the_start(variable: str, wrong: str, right: str):
    def starts(value: str) -> bool:
        environment = os.environ | {variable: value, "DATABASE_URL": "postgres://a:b@127.0.0.1:1/c"}
        command = [sys.executable, "-c", "import config.settings.base"]
        return subprocess.run(command, env=environment, capture_output=True, check=False, timeout=60).returncode == 0

    assert (starts(wrong), starts(right)) == (False, True)
