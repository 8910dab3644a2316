"""The parts of the API edge that need no database: JSON, fields, problems, preconditions, idempotency keys."""

import io
import json
import uuid
from datetime import UTC, datetime

import pytest
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import HttpResponse, StreamingHttpResponse
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ParseError
from rest_framework.renderers import BaseRenderer
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from shop.errors import Fault, Refusal
from shop.money import Money
from shop.rest import idempotency
from shop.rest.fields import MoneyField, StrictSerializer
from shop.rest.negotiation import PreferredForm
from shop.rest.parsing import JSONParser, PayloadTooLarge
from shop.rest.preconditions import PreconditionFailed, etag_of, is_fresh, require_match
from shop.rest.problem import (
    handle_exception,
    known_problems,
    permission_denied,
    plain,
    pointed,
    problem_of,
    server_error,
)

factory = APIRequestFactory()


def parse(raw):
    return JSONParser().parse(io.BytesIO(raw))


def request(**headers):
    return APIView().initialize_request(factory.get("/x", headers=headers))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"\xff",
        b'{"a": NaN}',
        b"[" * 60_000,
        b'["\\ud800"]',
        b"9" * 5000,
        b'{"a": 1, "a": 1}',
        b'[{"a": {"b": 1, "\\u0062": 2}}]',
    ],
    ids=[
        "empty",
        "cut off",
        "not UTF-8",
        "NaN",
        "too deep",
        "lone surrogate",
        "huge number",
        "a name twice",
        "a name twice, deeper",
    ],
)
def test_json_that_cannot_be_read_is_a_parse_error(raw):
    with pytest.raises(ParseError):
        parse(raw)


def test_a_body_over_the_limit_is_refused_before_it_is_parsed(settings):
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE

    assert parse(b'"' + b"x" * (limit - 2) + b'"')
    with pytest.raises(PayloadTooLarge):
        parse(b'"' + b"x" * (limit - 1) + b'"')


class Line(StrictSerializer):
    sku = serializers.CharField()
    price = MoneyField(required=False)


class Basket(StrictSerializer):
    lines = Line(many=True)


def test_unknown_fields_are_refused_at_every_level():
    basket = Basket(data={"lines": [{"sku": "a", "unit_price": 1}], "total": 5})

    assert not basket.is_valid()
    assert set(basket.errors) == {"total", "lines"}
    assert next(pointed(basket.errors))["pointer"] in {"#/total", "#/lines/0/unit_price"}


def test_money_is_read_and_written_in_minor_units():
    line = Line(data={"sku": "a", "price": {"amount_minor": 2450, "currency": "EUR"}})

    assert line.is_valid()
    assert line.validated_data["price"] == Money(2450, "EUR")
    assert MoneyField().to_representation(Money(500, "JPY")) == {
        "amount_minor": 500,
        "currency": "JPY",
        "exponent": 0,
        "formatted": "500",
    }
    assert MoneyField().to_representation(Money(2450, "EUR"))["formatted"] == "24.50"


@pytest.mark.parametrize(
    "wrong",
    [
        24.5,
        {"amount_minor": 1},
        {"amount_minor": True, "currency": "EUR"},
        {"amount_minor": -1, "currency": "EUR"},
        {"amount_minor": 1.0, "currency": "EUR"},
        {"amount_minor": 1, "currency": "eur"},
        {"amount_minor": 1, "currency": ["EUR"]},
        {"amount_minor": 1, "currency": "EUR", "extra": 1},
        {"amount_minor": 1, "currency": "RSD", "exponent": 0},
    ],
)
def test_what_is_no_amount_is_refused(wrong):
    assert not Line(data={"sku": "a", "price": wrong}).is_valid()


def test_pointers_escape_names_and_count_lines():
    detail = {"lines": [{}, {"a/b~": [ErrorDetail("no")]}], "non_field_errors": [ErrorDetail("whole")]}

    assert list(pointed(detail)) == [
        {"pointer": "#/lines/1/a~1b~0", "detail": "no"},
        {"pointer": "#", "detail": "whole"},
    ]


class OutOfStock(Refusal):
    """There is not enough of it."""

    code = "test_out_of_stock"
    title = "Not enough in stock"


def test_a_refusal_is_a_problem_with_its_facts():
    order_id = uuid.uuid4()

    body = problem_of(OutOfStock("3 of A wanted", sku="A", wanted=3), order_id=order_id).body()

    assert body["type"] == "/problems/test_out_of_stock"
    assert (body["status"], body["title"], body["code"]) == (409, "Not enough in stock", "test_out_of_stock")
    assert body["facts"] == {"sku": "A", "wanted": 3, "order_id": str(order_id)}
    assert body["instance"].startswith("urn:uuid:")


def test_a_fault_says_when_to_come_back():
    response = handle_exception(Fault("down"), {})

    assert response.status_code == 503
    assert response["Retry-After"] == "5"
    assert response.content_type == "application/problem+json"


def test_a_bug_is_let_through():
    assert handle_exception(KeyError("x"), {}) is None


def test_facts_become_json():
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    facts = {"total": Money(1, "EUR"), "ids": (uuid.UUID(int=1),), "at": moment, "ok": True, "none": None}

    assert json.loads(json.dumps(plain(facts))) == {
        "total": {"amount_minor": 1, "currency": "EUR", "exponent": 2, "formatted": "0.01"},
        "ids": [str(uuid.UUID(int=1))],
        "at": "2026-01-02T00:00:00+00:00",
        "ok": True,
        "none": None,
    }


def test_every_error_class_is_explained():
    title, status, explanation = known_problems()["test_out_of_stock"]

    assert (title, status, explanation) == ("Not enough in stock", 409, "There is not enough of it.")


@pytest.mark.parametrize(
    ("header", "fresh"), [('"3"', True), ('W/"3"', True), ('"2", "3"', True), ("*", True), ('"2"', False), ("", False)]
)
def test_if_none_match_compares_weakly(header, fresh):
    assert is_fresh(request(**{"If-None-Match": header}), etag_of(3)) is fresh


@pytest.mark.parametrize("header", ['"3"', "*", '"1", "3"'])
def test_if_match_lets_the_right_version_pass(header):
    require_match(request(**{"If-Match": header}), 3)
    require_match(request(), 3)


@pytest.mark.parametrize("header", ['"2"', 'W/"3"', "", "3"])
def test_if_match_stops_another_version_and_weak_tags(header):
    with pytest.raises(PreconditionFailed) as refused:
        require_match(request(**{"If-Match": header}), 3)

    assert refused.value.http_status == 412


@pytest.mark.parametrize(
    ("header", "key"), [("abc", "abc"), ('"abc"', "abc"), (" abc ", "abc"), ('"', '"'), ("x" * 200, "x" * 200)]
)
def test_idempotency_keys_are_read(header, key):
    assert idempotency.read_key(request(**{"Idempotency-Key": header})) == key


@pytest.mark.parametrize("header", ["x" * 201, "a b", "a\tb", "schlüssel"])
def test_odd_idempotency_keys_are_malformed(header):
    with pytest.raises(idempotency.IdempotencyKeyMalformed):
        idempotency.read_key(request(**{"Idempotency-Key": header}))


@pytest.mark.parametrize("header", ["", "  ", '""'])
def test_an_empty_idempotency_key_is_missing(header):
    with pytest.raises(idempotency.IdempotencyKeyMissing):
        idempotency.read_key(request(**{"Idempotency-Key": header}))


def fingerprint(path, body):
    raw = factory.post(path, data=body, content_type="application/json")
    return idempotency.fingerprint_of(APIView(parser_classes=[JSONParser]).initialize_request(raw))


def test_fingerprints_tell_bodies_and_paths_apart_but_not_their_spelling():
    one = fingerprint("/a", '{"x": 1, "y": [2]}')

    assert fingerprint("/a", '{ "y":[2],"x":1 }') == one
    assert fingerprint("/a", '{"x": 1, "y": [3]}') != one
    assert fingerprint("/b", '{"x": 1, "y": [2]}') != one
    assert fingerprint("/a?z=1", '{"x": 1, "y": [2]}') != one


def test_a_whole_answer_of_a_view_is_kept_as_it_is_and_a_stream_is_refused():
    whole = HttpResponse(b"pdf", status=201)

    assert idempotency._render(None, request(), whole) is whole
    with pytest.raises(TypeError, match="not StreamingHttpResponse"):
        idempotency._render(None, request(), StreamingHttpResponse())


@pytest.mark.parametrize(
    ("path", "content_type"),
    [("/api/v1/orders", "application/problem+json"), ("/checkout", "text/html; charset=utf-8")],
)
def test_what_django_itself_refuses_or_cannot_do_is_a_problem_to_the_api_and_a_page_to_others(path, content_type):
    asked = factory.get(path)

    refused = permission_denied(asked, PermissionDenied())
    failed = server_error(asked)

    assert [(each.status_code, each["Content-Type"]) for each in (refused, failed)] == [
        (403, content_type),
        (500, content_type),
    ]


def test_a_failure_of_the_database_is_told_as_one_wherever_it_was_met():
    def ask():
        raise OperationalError("the connection was closed")

    try:
        ask()
    except OperationalError:
        answer = server_error(factory.get("/checkout"))

    assert (answer.status_code, json.loads(answer.content)["code"]) == (503, "database_unavailable")
    assert answer.has_header("Retry-After")


def test_an_accept_of_problems_alone_gets_the_first_form():
    forms = [type("Form", (BaseRenderer,), {"media_type": name}) for name in ("application/pdf", "text/html")]

    chosen, media_type = PreferredForm().select_renderer(request(Accept="application/problem+json"), forms)

    assert (chosen, media_type) == (forms[0], "application/pdf")
