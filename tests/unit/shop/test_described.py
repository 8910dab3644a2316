"""Each operation in docs/openapi.yaml has examples that are right: of what is sent, of what is answered, of each problem."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

import config.urls  # noqa: F401  every error class is imported
from orders.models import NUMBER_ALPHABET, new_order_number
from orders.services import OrderIsCanceled
from shop.rest.examples import kept_examples
from shop.rest.problem import known_problems
from tests.contract import PROBLEM, codes_of, description, resolve
from tests.examples import rendered

JSON = "application/json"
OPERATIONS = {
    operation["operationId"]: operation for path in description()["paths"].values() for operation in path.values()
}


@functools.cache
def validator(schema: str) -> Any:
    whole = json.loads(schema) | {"components": description()["components"]}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)


def wrong_in(content: dict[str, Any], values: list[Any]) -> list[str]:
    judge = validator(json.dumps(content["schema"]))
    return [f"{error.instance_path} {error.message[:300]}" for value in values for error in judge.iter_errors(value)]


def values_of(content: dict[str, Any]) -> list[Any]:
    return [resolve(example)["value"] for example in content.get("examples", {}).values()]


def answers(operation: str, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for status, answer in OPERATIONS[operation]["responses"].items():
        if content := resolve(answer).get("content", {}).get(kind):
            yield status, content


def members(name: str, value: Any) -> Iterator[Any]:
    """Return what members of this name hold, however deep."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        if key == name:
            yield inner
        yield from members(name, inner)


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_what_is_sent_and_what_is_answered_has_an_example_that_fits(operation: str):
    asked = OPERATIONS[operation].get("requestBody", {}).get("content", {}).get(JSON)
    bodies = ([("request", asked)] if asked else []) + list(answers(operation, JSON))

    for where, content in bodies:
        assert values_of(content), f"no example of {where}: add the call to tests/integration/orders/test_examples.py"
        assert wrong_in(content, values_of(content)) == [], where


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_each_problem_has_an_example_that_fits(operation: str):
    for status, content in answers(operation, PROBLEM):
        answer = OPERATIONS[operation]["responses"][status]
        missing = codes_of(answer).keys() - content.get("examples", {}).keys()
        assert not missing, f"{status}: add {missing} to raised() in tests/examples.py, and run `make examples`"
        for code, reference in codes_of(answer).items():
            example = resolve(content["examples"][code])["value"]
            assert wrong_in({"schema": {"$ref": reference}}, [example]) == [], code


@pytest.mark.parametrize("component", sorted(kept_examples()["problems"]))
def test_the_example_of_a_problem_says_what_the_code_says_now(component: str):
    example = kept_examples()["problems"][component]

    title, status, _why = known_problems()[example["code"]]
    # What canceled an order is told with its own code, and that the order was canceled.
    assert example["title"] in (
        {title, OrderIsCanceled.title} if "cancel_reason" in example.get("facts", {}) else {title}
    )
    assert example["status"] == status
    assert f"#/components/schemas/{component}" in [
        reference
        for operation in OPERATIONS
        for of, _content in answers(operation, PROBLEM)
        for reference in codes_of(OPERATIONS[operation]["responses"][of]).values()
    ]


def test_each_number_of_an_order_is_one_that_the_shop_could_give():
    numbers = {*members("number", kept_examples())}

    assert numbers
    wrong = {number for number in numbers if len(number) != len(new_order_number()) or {*number} - {*NUMBER_ALPHABET}}
    assert wrong == set()


def test_what_no_client_is_answered_is_told_as_the_code_raises_it():
    shown = rendered()

    assert {component: kept_examples()["problems"][component] for component in shown} == shown


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_it_has_a_name_and_a_chapter_that_say_what_it_is_for(operation: str):
    told = OPERATIONS[operation]
    (tag,) = told["tags"]

    assert told.get("summary")
    assert [each["description"] for each in description()["tags"] if each["name"] == tag]


def test_the_introduction_has_what_one_must_know_first():
    told = description()["info"]["description"]

    for chapter in (
        "Who calls",
        "Placing an order",
        "Idempotency keys",
        "Money",
        "Problems",
        "Pages of a list",
        "Limits",
        "Versions",
    ):
        assert f"\n## {chapter}\n" in told
