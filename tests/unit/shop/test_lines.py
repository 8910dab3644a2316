"""What happens in one piece of work is told in one line, once, and not at all if it was undone."""

import json
import logging
from collections.abc import Callable
from typing import cast

import pytest
import structlog
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from shop.observability import lines
from shop.observability.lines import one_line
from shop.rest.edge import NamedRequests
from tests.driver.logs import captured

log = structlog.get_logger(__name__)


@pytest.fixture
def written():
    with captured(level=logging.INFO) as printed:
        yield lambda: [json.loads(line) for line in printed.getvalue().splitlines()]


def test_facts_of_a_piece_of_work_stand_in_its_line(written):
    with one_line("order.resumed", order_id="7"):
        log.info("stock.reserved", order_id="7", quantity=2)
        log.info("order.confirmed", order_id="8")

    (line,) = written()
    assert (line["event"], line["order_id"]) == ("order.resumed", "7")
    assert line["duration_ms"] >= 0
    assert line["facts"] == [
        {"fact": "stock.reserved", "quantity": 2},
        {"fact": "order.confirmed", "order_id": "8"},
    ]


def test_piece_of_work_in_which_nothing_happened_is_not_told(written):
    with one_line("order.resumed", order_id="7"):
        log.debug("saga.looked")

    assert written() == []


def test_warnings_and_errors_are_lines_of_their_own_at_once(written):
    with one_line("order.resumed", order_id="7"):
        log.warning("saga.postponed")
        assert [line["event"] for line in written()] == ["saga.postponed"]


def test_piece_within_another_is_a_part_of_its_line(written):
    with one_line("event.handled"), one_line("order.resumed", order_id="7"):
        log.info("order.confirmed", order_id="7")

    (line,) = written()
    assert (line["event"], line["order_id"]) == ("event.handled", "7")


@pytest.mark.parametrize(("undone", "told"), [(True, []), (False, ["order.confirmed"])])
def test_what_an_error_has_undone_is_not_told(undone, told, written):
    def fail():
        with one_line("event.handled", undone_by_errors=undone):
            log.info("order.confirmed", order_id="7")
            raise ValueError("bug")

    with pytest.raises(ValueError, match="bug"):
        fail()

    assert [fact["fact"] for line in written() for fact in line["facts"]] == told


def test_what_is_too_much_for_a_line_is_told_in_lines_of_its_own(written, monkeypatch):
    monkeypatch.setattr(lines, "MAX_FACTS", 2)

    with one_line("action"):
        for number in range(3):
            log.info("email.requeued", number=number)

    assert [line["event"] for line in written()] == ["email.requeued", "action"]
    assert len(written()[1]["facts"]) == 2


def test_lines_outside_of_any_piece_stand_alone(written):
    log.info("email.sent", order_id="7")

    assert [line["event"] for line in written()] == ["email.sent"]


@pytest.mark.parametrize(
    ("request_line", "status", "facts", "told"),
    [
        ("GET /health", 200, (), False),
        ("GET /ready", 503, (), True),
        ("POST /webhooks/stripe", 200, (), False),
        ("POST /webhooks/stripe", 200, ("payment.captured",), True),
        ("POST /webhooks/stripe", 400, (), True),
        ("POST /api/v1/orders", 200, (), True),
    ],
)
def test_probes_and_notices_are_told_of_only_where_they_failed_or_did_something(
    request_line, status, facts, told, written
):
    def answer(_request):
        for fact in facts:
            log.info(fact)
        return HttpResponse(status=status)

    named = cast(Callable[[HttpRequest], HttpResponse], NamedRequests(answer))
    lines.RequestLineMiddleware(named)(RequestFactory().generic(*request_line.split()))

    assert any(line["event"] == "request_finished" for line in written()) is told


def test_request_that_no_line_was_begun_for_is_told_as_the_library_tells_it():
    told: dict[str, object] = {"duration": 1}

    lines.complete_request_line(RequestFactory().get("/"), told)

    assert told == {"duration": 1}
