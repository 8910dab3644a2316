"""The examples in the API's description: what the running shop was asked, and what it answered.

tests/integration/orders/test_examples.py plays the calls and keeps them in the file that the setting API_EXAMPLES names;
`make examples` writes it anew.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from django.conf import settings

from shop.rest.keys import HEADER
from shop.rest.problem import CONTENT_TYPE

Schema = dict[str, Any]
JSON = "application/json"
_KEY = "3f0f6c7e-2a55-4f0e-9d0b-5d0c1f7d2b11"


@functools.cache
def kept_examples() -> dict[str, Any]:
    """Return what is kept: `operations`, by id, `request` or status, and what it shows; `problems`, by component."""
    kept: dict[str, Any] = json.loads(Path(settings.API_EXAMPLES).read_text())
    return kept


def add_examples(result: Schema) -> None:
    """Put an example at each body that is sent or answered, and one component for each code of a problem."""
    shown: dict[str, Schema] = {}
    for item in result["paths"].values():
        for operation in item.values():
            _add_to_operation(operation, kept_examples()["operations"].get(operation["operationId"], {}), shown)
    if shown:
        result["components"]["examples"] = dict(sorted(shown.items()))


def _add_to_operation(operation: Schema, kept: dict[str, Any], shown: dict[str, Schema]) -> None:
    asked = operation.get("requestBody", {}).get("content", {}).get(JSON)
    if asked is not None and "request" in kept:
        asked["examples"] = _named(kept["request"])
    for status, answer in operation["responses"].items():
        for kind, content in answer.get("content", {}).items():
            if kind == CONTENT_TYPE:
                _add_problems(content, shown)
            elif status in kept:
                content["examples"] = _named(kept[status])
    for parameter in operation.get("parameters", ()):
        if parameter["name"] == HEADER:
            parameter["example"] = _KEY


def _named(values: dict[str, Any]) -> Schema:
    return {
        says.lower().replace(" ", "_").replace(",", ""): {"summary": says, "value": value}
        for says, value in values.items()
    }


def _add_problems(content: Schema, shown: dict[str, Schema]) -> None:
    schema, problems = content["schema"], kept_examples()["problems"]
    for reference in schema.get("discriminator", {}).get("mapping", {}).values() or [schema["$ref"]]:
        name = reference.rpartition("/")[2]
        if problem := problems.get(name):
            shown[name] = {"summary": problem["title"], "value": problem}
            content.setdefault("examples", {})[problem["code"]] = {"$ref": f"#/components/examples/{name}"}
