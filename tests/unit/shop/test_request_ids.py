"""Whose word on a request's id is taken, and which id its trace gets."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import RequestFactory
from opentelemetry import context as otel_context
from opentelemetry import trace

from shop import request_ids
from shop.observability import tracing

OWN = re.compile(r"[0-9a-f]{32}")
STRANGE = [
    "",
    "short",
    "x" * 129,
    'x", "injected',
    "two-values,two-values",
    "line\nbreak",
    "ünicode-id",
    "a b c d e f g h",
]


def request(**headers: str) -> Any:
    return RequestFactory().get("/", headers=headers)


@pytest.mark.parametrize("given", ["checkout-12345", "a" * 32, "6d1f0c2e-7a55-4f43-9f0e-0a6f3d1b2c3d", "x" * 128])
def test_an_id_is_taken_from_a_proxy_of_ours_and_from_nobody_else(given: str, settings: Any):
    settings.TRUSTED_PROXIES = 1
    assert request_ids.id_of(request(x_request_id=given)) == given

    settings.TRUSTED_PROXIES = 0
    assert OWN.fullmatch(request_ids.id_of(request(x_request_id=given)))


@pytest.mark.parametrize("given", STRANGE)
def test_an_id_that_is_not_plain_is_nobody_s(given: str, settings: Any):
    settings.TRUSTED_PROXIES = 1

    assert OWN.fullmatch(request_ids.id_of(request(x_request_id=given)))


def test_a_request_has_one_id_and_two_have_two():
    first, second = request(), request()

    assert request_ids.id_of(first) == request_ids.id_of(first) != request_ids.id_of(second)


@pytest.mark.parametrize(
    ("given", "is_one"), [("a" * 32, True), ("0" * 32, False), ("A" * 32, False), ("checkout-12345", False)]
)
def test_the_trace_of_a_request_has_its_id_where_that_is_one(given: str, is_one: bool, settings: Any):
    settings.TRUSTED_PROXIES = 1
    asked = request(x_request_id=given)

    named = request_ids.begin(asked)
    carried = request_ids.carry(tracing.span_of_caller(asked.META))
    try:
        found = tracing.current_trace_id()
        traceparent = tracing.current_traceparent()
    finally:
        otel_context.detach(carried)
        request_ids.end(named)

    assert (found == given) is is_one
    assert re.fullmatch(r"00-[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-00", traceparent)
    assert not trace.get_current_span().get_span_context().is_valid
    assert request_ids.current() == ""


@pytest.mark.parametrize("caller", ["garbage", f"00-{'0' * 32}-{'b' * 16}-01", f"ff-{'c' * 32}-{'b' * 16}-01"])
def test_a_traceparent_that_is_none_is_no_trace(caller: str):
    asked = request(traceparent=caller)

    named = request_ids.begin(asked)
    carried = request_ids.carry(tracing.span_of_caller(asked.META))
    found = tracing.current_trace_id()
    otel_context.detach(carried)
    request_ids.end(named)

    assert found == request_ids.id_of(asked)
