"""Logs: what they must never hold is taken out, wherever it stands; probes are left out; traces are named."""

import io
import json
import logging

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider

from shop.cards import without_card_numbers
from shop.observability.logging import (
    _EMAIL,
    _KEYS,
    add_trace,
    redact,
    redact_text,
    standard_config,
)

CARD = "4242 4242 4242 4242"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (f"card {CARD} declined", "card [card] declined"),
        ("4242424242424242", "[card]"),
        ("order 4242424242424241 is no card", "order 4242424242424241 is no card"),
        ("mail to jane.doe+x@shop.example failed", "mail to [email] failed"),
        ("key sk_live_abc123 and whsec_def", "key [redacted] and [redacted]"),
        ("pi_3abc_secret_xyz", "[redacted]"),
        ("postgresql://shop:hunter2@db:5432/shop", "postgresql://[redacted]@db:5432/shop"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer [redacted]"),
        ("0192f5e0-1234-7abc-8def-4242424242ab", "0192f5e0-1234-7abc-8def-4242424242ab"),
    ],
)
def test_text_loses_what_no_log_may_hold(text, clean):
    assert redact_text(text) == clean


def test_what_is_neither_text_nor_number_is_cleaned_as_it_reads():
    class Order:
        def __str__(self) -> str:
            return f"order of jane@shop.example by {CARD}"

    deep: object = CARD
    for _depth in range(12):
        deep = [deep]

    cleaned = redact(None, "", {"event": "order.placed", "order": Order(), "deep": deep})

    assert cleaned["order"] == "order of [email] by [card]"
    assert "4242" not in str(cleaned)


def test_fields_are_cleaned_by_name_and_by_value_at_any_depth():
    event = {
        "event": "payment.created",
        "client_secret": "x",
        "order_id": "7",
        "request": {
            "headers": {"Cookie": "a=b", "Accept": "*/*"},
            "body": [{"to": "a@b.example", "pan": 4242424242424242}],
        },
    }

    assert redact(None, "info", event) == {
        "event": "payment.created",
        "client_secret": "[redacted]",
        "order_id": "7",
        "request": {
            "headers": {"Cookie": "[redacted]", "Accept": "*/*"},
            "body": [{"to": "[email]", "pan": "[card]"}],
        },
    }


def formatter(log_format):
    options = standard_config(log_format=log_format, level="INFO")["formatters"]["structured"]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=options["foreign_pre_chain"], processors=options["processors"]
    )


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_library_s_record_with_an_exception_comes_out_clean(log_format):
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter(log_format))
    logger = logging.getLogger("test.dependency")
    logger.propagate = False
    logger.addHandler(handler)
    try:
        int("jane@shop.example")
    except ValueError:
        logger.exception("no mail to %s", "jane@shop.example")
    finally:
        logger.removeHandler(handler)
        logger.propagate = True

    printed = stream.getvalue()
    assert "jane@" not in printed
    assert "ValueError: invalid literal for int() with base 10: '[email]'" in printed
    if log_format == "json":
        assert json.loads(printed)["event"] == "no mail to [email]"


@pytest.mark.parametrize("logger", ["celery.app.trace", "celery.worker.strategy", "celery.beat"])
def test_tasks_that_work_are_not_told_and_failures_are(logger):
    levels = standard_config(log_format="json", level="INFO")["loggers"]

    assert logging.INFO < logging.getLevelNamesMapping()[levels[logger]["level"]] < logging.ERROR


@given(st.text(alphabet=st.sampled_from("0123456789 -.@_:/abkprstwhsecliveBbearer\u0664é\n\u00a0\u2011\u200d+")))
def test_a_text_without_suspicion_has_nothing_to_take_out(text):
    closely = _KEYS.sub("[redacted]", text)
    closely = without_card_numbers(_EMAIL.sub("[email]", closely))

    assert redact_text(text) == closely


def test_numbers_below_the_shortest_card_are_left_alone_and_cards_are_not():
    assert redact(None, "info", {"amount": 999_999_999_999, "pan": 4222222222222, "minus": -4222222222222}) == {
        "amount": 999_999_999_999,
        "pan": "[card]",
        "minus": "[card]",
    }


def test_a_line_written_inside_a_span_names_its_trace():
    tracer = TracerProvider().get_tracer("test")

    with tracer.start_as_current_span("work") as span:
        event = add_trace(None, "info", {"event": "x"})

    assert event["trace_id"] == format(span.get_span_context().trace_id, "032x")
    assert "trace_id" not in add_trace(None, "info", {"event": "x"})
