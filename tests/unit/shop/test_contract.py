"""docs/openapi.yaml as the generators of clients read it: what makes one drop a model, or refuse good code, is not in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from drf_spectacular.generators import SchemaGenerator

from payments.models import PaymentStatus
from shop.errors import Fault, Refusal, ShopError
from shop.money import Money
from shop.rest.problem_schemas import ProblemComponents, facts_schema
from tests.contract import codes_of, description, resolve

LINKED_PAGES = ("account_confirm_email", "account_reset_password_from_key")
SCHEMAS = description()["components"]["schemas"]
OPERATIONS = {
    operation["operationId"]: operation for path in description()["paths"].values() for operation in path.values()
}


def _inside(schema: Any, where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Walk the schemas within a schema, itself included."""
    if isinstance(schema, dict):
        yield where, schema
        for name, inner in schema.items():
            yield from _inside(inner, f"{where}/{name}")
    elif isinstance(schema, list):
        for inner in schema:
            yield from _inside(inner, where)


def test_the_committed_description_is_what_the_code_says():
    made = SchemaGenerator().get_schema(request=None, public=True)

    assert made["paths"] == description()["paths"], "run `make schema`"
    assert made["components"] == description()["components"], "run `make schema`"


def test_an_object_stands_inline_once_only():
    """A generator names an inline object by its place or title, and drops each model that holds a second one of a name."""
    titles = [found["title"] for _where, found in _inside(SCHEMAS, "") if isinstance(found.get("title"), str)]

    assert len(titles) == len(set(titles)), titles
    assert {"$ref": "#/components/schemas/Money"}.items() <= SCHEMAS["OrderLineOut"]["properties"]["unit_price"].items()


def test_what_a_request_may_leave_out_has_no_default():
    """openapi-typescript makes such a member a required one: a request that is right does not compile."""
    wrong = [where for where, found in _inside(SCHEMAS, "") if "default" in found and "Request/" in where]

    assert wrong == []


def test_no_blank_text_stands_for_nothing():
    wrong = [
        where for where, found in _inside(SCHEMAS, "") if isinstance(found.get("enum"), list) and "" in found["enum"]
    ]

    assert wrong == []
    assert {"type": "null"} in SCHEMAS["OrderOut"]["properties"]["cancel_reason"]["oneOf"]


def test_an_answer_names_each_of_its_members_as_always_there_but_the_secret():
    missing = {
        f"{name}.{member}"
        for name in ("OrderOut", "OrderLineOut", "AddressOut", "Money", "Product")
        for member in set(SCHEMAS[name]["properties"]) - set(SCHEMAS[name]["required"])
    }

    assert missing == set()
    assert set(SCHEMAS["PaymentOut"]["properties"]) - set(SCHEMAS["PaymentOut"]["required"]) == {"client_secret"}


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_each_problem_has_a_component_by_its_code(operation: str):
    for status, answer in OPERATIONS[operation]["responses"].items():
        if status >= "400":
            for code, reference in codes_of(answer).items():
                component = resolve({"$ref": reference})
                assert component["properties"]["code"] == {"type": "string", "const": code}
                facts = component["properties"].get("facts", {"properties": {"": ""}})
                assert facts["properties"], f"{code} has facts of no type"


@pytest.mark.parametrize(
    ("operation", "status", "header"),
    [
        ("get_order", "200", "ETag"),
        ("get_order", "304", "ETag"),
        ("place_order", "201", "Location"),
        ("place_order", "201", "ETag"),
        ("place_order", "201", "Idempotent-Replayed"),
        ("place_order", "202", "Retry-After"),
        ("place_order", "402", "Location"),
        ("place_order", "429", "Retry-After"),
        ("list_orders", "200", "Link"),
        ("list_orders", "200", "RateLimit-Remaining"),
        ("list_orders", "401", "WWW-Authenticate"),
    ],
)
def test_a_header_that_callers_decide_by_is_described(operation: str, status: str, header: str):
    assert header in resolve(OPERATIONS[operation]["responses"][status])["headers"]


@pytest.mark.parametrize("operation", ["pay_order", "cancel_order", "refund_order"])
def test_a_write_on_an_order_takes_if_match_and_may_answer_412(operation: str):
    assert "If-Match" in [each["name"] for each in OPERATIONS[operation]["parameters"]]
    assert codes_of(OPERATIONS[operation]["responses"]["412"]).keys() == {"precondition_failed"}


def test_a_placed_order_leads_to_all_that_can_be_done_with_it():
    links = OPERATIONS["place_order"]["responses"]["201"]["links"]

    assert {"get_order", "pay_order", "cancel_order", "refund_order"} <= {
        each["operationId"] for each in links.values()
    }


class Example(Refusal):
    """An error with facts of every kind."""

    code = "example"
    title = "An example"
    fact_types = {"sku": str, "wanted": int, "total": Money, "skus": list[str], "carrier": str | None}


def test_facts_have_their_types_and_those_that_may_be_missing_are_not_required():
    facts = facts_schema(Example, added={"order_status": str})

    assert facts is not None
    assert facts["required"] == ["sku", "skus", "total", "wanted"]
    assert facts["properties"]["skus"] == {"type": "array", "items": {"type": "string"}}
    assert facts["properties"]["total"] == {"$ref": "#/components/schemas/Money"}
    assert facts["properties"]["carrier"] == facts["properties"]["order_status"] == {"type": "string"}


def test_a_code_of_two_operations_is_one_component_with_the_facts_of_both():
    problems = ProblemComponents()
    problems.response([Example], added={"order_id": str})
    problems.response([Example, "not_found"], added={})

    facts = problems.schemas()["ExampleProblem"]["properties"]["facts"]

    assert {"order_id", "sku"} <= facts["properties"].keys()


def test_every_fact_of_every_error_class_has_a_type_that_the_description_knows():
    import config.urls  # noqa: F401  every error class is imported

    pending: list[type[ShopError]] = [Refusal, Fault]
    while pending:
        kind = pending.pop()
        pending += kind.__subclasses__()
        facts_schema(kind, added={})


def test_the_description_names_every_status_of_a_payment():
    shown = SCHEMAS["PaymentOut"]["properties"]["status"]

    assert set(SCHEMAS[shown["$ref"].rpartition("/")[2]]["enum"]) == set(PaymentStatus.values)


def test_the_introduction_names_the_pages_that_mails_link_to():
    told = description()["info"]["description"]

    for link in (settings.HEADLESS_FRONTEND_URLS[name] for name in LINKED_PAGES):
        path = "/account/" + link.partition("/account/")[2].replace("{key}", "<key>")
        assert f"`{path}`" in told
        assert f"`{path}`" in Path("docs/configuration.md").read_text()
