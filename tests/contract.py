"""A guard like that on SQL: every answer that a test's client gets is held against docs/openapi.yaml.

The status, the type and shape of the body, a problem's code and facts, and the headers that callers decide by must stand
there for the operation. What the description does not know (pages, probes, another method) is not judged.
"""

from __future__ import annotations

import functools
import json
import os
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import yaml
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

DESCRIPTION = Path(__file__).resolve().parents[1] / "docs" / "openapi.yaml"
PROBLEM = "application/problem+json"
# What this test's answers were beyond the description; emptied before each test.
noted: list[str] = []
# Whether an answer that is given again may be an earlier release's, whose description told of it: it is given as it was.
repeats_earlier_releases = False


def judge(request: HttpRequest, response: HttpResponseBase) -> None:
    """Note what the description does not say of an answer."""
    if log := os.environ.get("EXAMPLES_LOG"):
        _log_problem(log, request, response)
    if repeats_earlier_releases and response.headers.get("Idempotent-Replayed") == "true":
        return
    noted.extend(each for each in violations(request, response) if each not in noted)


def _log_problem(log: str, request: HttpRequest, response: HttpResponseBase) -> None:
    """Keep a problem that was answered: `tests/examples.py` takes the description's examples out of these."""
    if response.headers.get("Content-Type", "") == PROBLEM and request.method != "HEAD":
        with Path(log).open("ab") as file:
            file.write(json.dumps(json.loads(response.content)).encode() + b"\n")  # type: ignore[attr-defined]


@functools.cache
def description() -> dict[str, Any]:
    """Return the committed description."""
    return yaml.load(DESCRIPTION.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def resolve(node: dict[str, Any]) -> dict[str, Any]:
    """Return what a reference leads to, anything else as it is."""
    while "$ref" in node:
        found: Any = description()
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def operation_of(request: HttpRequest) -> dict[str, Any] | None:
    """Return the operation that a request calls, None where the description knows none."""
    match = request.resolver_match
    if match is None or settings.ROOT_URLCONF != "config.urls":
        return None
    path = "/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", match.route)
    method = "get" if request.method == "HEAD" else str(request.method).lower()
    found = description()["paths"].get(path, {}).get(method)
    return found if isinstance(found, dict) else None


def codes_of(answer: dict[str, Any]) -> dict[str, str]:
    """Return code -> component of the problems that an answer may be."""
    schema = resolve(answer)["content"][PROBLEM]["schema"]
    if "$ref" in schema:
        return {resolve(schema)["properties"]["code"]["const"]: schema["$ref"]}
    return dict(schema["discriminator"]["mapping"])


def headers_told() -> set[str]:
    """Return the headers that the description knows at all; others are not judged."""
    return set(description()["components"]["headers"])


def violations(request: HttpRequest, response: HttpResponseBase) -> list[str]:
    """Return what of an answer the description does not say."""
    operation = operation_of(request)
    if operation is None:
        return []
    where = f"{operation['operationId']} {response.status_code}"
    answer = operation["responses"].get(str(response.status_code))
    if answer is None:
        return [f"{where} is not described: {getattr(response, 'content', b'')[:200]!r}"]
    answer = resolve(answer)
    undescribed = {name for name in headers_told() if response.has_header(name)} - set(answer.get("headers", ()))
    found = [f"{where}: the header {name} is not described" for name in sorted(undescribed)]
    if request.method == "HEAD" or "content" not in answer:
        return found
    kind = response.headers.get("Content-Type", "").partition(";")[0]
    if kind not in answer["content"]:
        return [*found, f"{where}: {kind!r} is not described"]
    return found + (_wrong_in_body(where, answer, kind, response) if kind.endswith("json") else [])


def _wrong_in_body(where: str, answer: dict[str, Any], kind: str, response: HttpResponseBase) -> list[str]:
    """Return what of a body in JSON its schema does not allow."""
    found: list[str] = []
    body = json.loads(response.content)  # type: ignore[attr-defined]
    schema = answer["content"][kind]["schema"]
    if kind == PROBLEM:
        reference = codes_of(answer).get(body.get("code"))
        if reference is None:
            return [*found, f"{where}: the code {body.get('code')} is not described"]
        schema = {"$ref": reference}
        known = resolve(schema)["properties"].get("facts", {}).get("properties", {})
        found += [
            f"{where} {body['code']}: the fact {name} is not described"
            for name in set(body.get("facts", ())) - set(known)
        ]
    return found + [
        f"{where} {body.get('code', '')}: {error.instance_path} {error.message[:300]}"
        for error in _validator(json.dumps(schema)).iter_errors(body)
    ]


@functools.cache
def _validator(schema: str) -> Any:
    whole = json.loads(schema) | {"components": description()["components"]}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
