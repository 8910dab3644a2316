"""Idempotency-Key: the same request gets the same answer to the byte; what is not final is not kept."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connections
from django.db.models.functions import Now

from shop import tasks
from shop.errors import Fault
from shop.models import IdempotencyKey
from shop.rest import idempotency
from tests.integration.shop.callers import signed_in
from tests.integration.shop.urls import Declined, Work

WAIT = 60


def test_without_a_key_the_answer_is_400(api):
    response = api.call("post", "/api/test/orders", {"sku": "A"})

    assert (response.status_code, response.json()["code"]) == (400, "idempotency_key_missing")
    assert Work.calls == []


def test_an_odd_key_is_400(api):
    response = api.place(key="x" * 201)

    assert (response.status_code, response.json()["code"]) == (400, "idempotency_key_malformed")


def test_the_same_request_gets_the_same_answer_and_works_once(api):
    first, second = api.place(), api.place()

    assert Work.calls == ["key-1"]
    assert (second.status_code, second.content) == (first.status_code, first.content)
    assert {name: second[name] for name in ("Location", "ETag", "Content-Type")} == {
        name: first[name] for name in ("Location", "ETag", "Content-Type")
    }
    assert second["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first


def test_the_same_key_with_another_body_is_422(api):
    api.place()
    response = api.place(body={"sku": "B"})

    assert (response.status_code, response.json()["code"]) == (422, "idempotency_key_reused")
    assert Work.calls == ["key-1"]


def test_two_customers_may_use_the_same_key(api, database):
    other = signed_in("joe@shop.example")

    first, second = api.place(), other.place()

    assert first.json()["id"] != second.json()["id"]
    assert Work.calls == ["key-1", "key-1"]


def test_a_call_that_lost_a_race_is_told_its_own_customer_s_answer(api, database):
    """Where nothing was read with the session, the answer is looked for alone."""
    other = signed_in("joe@shop.example")
    answers = [api.place(), other.place()]

    calls = [idempotency.KeyedCall(row.user_id, row.key, row.fingerprint) for row in IdempotencyKey.objects.all()]
    found = {idempotency._find(call).body for call in calls}

    assert found == {answer.content.decode() for answer in answers}


def test_a_refusal_that_is_final_is_kept(api):
    Work.outcome = Declined("no", order_id="7")
    first = api.place()
    Work.outcome = None
    second = api.place()

    assert first.status_code == second.status_code == 402
    assert second.content == first.content
    assert second["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("outcome", [202, 404, Fault("away"), KeyError("bug")])
def test_an_answer_that_may_turn_out_otherwise_is_not_kept(api, outcome):
    Work.outcome = outcome
    api.place()
    Work.outcome = None

    assert api.place().status_code == 201
    assert Work.calls == ["key-1", "key-1"]


def test_a_request_that_was_not_valid_uses_no_key_up(api):
    assert api.place(body={"wrong": 1}).status_code == 400
    assert api.place().status_code == 201


def test_of_two_racing_calls_both_get_the_answer_that_was_stored_first(api):
    together = threading.Barrier(2, timeout=WAIT)
    Work.before_answer = staticmethod(together.wait)

    def place(_number):
        try:
            return api.place()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(place, range(2))

    # Both were at work at once: neither waited for a lock of the other.
    assert len(Work.calls) == 2
    assert first.content == second.content
    assert first.json()["id"] == second.json()["id"]
    assert [answer.has_header("Idempotent-Replayed") for answer in (first, second)].count(True) == 1
    assert IdempotencyKey.objects.count() == 1


def test_two_different_requests_at_once_under_one_key_are_each_told_what_was_done(api):
    together = threading.Barrier(2, timeout=WAIT)
    Work.before_answer = staticmethod(together.wait)

    def place(sku):
        try:
            return api.place(body={"sku": sku})
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(place, ["A", "B"]))

    assert len(Work.calls) == 2
    assert [answer.status_code for answer in answers] == [201, 201]
    assert IdempotencyKey.objects.count() == 1


def test_a_row_that_cannot_be_written_does_not_spoil_the_answer(api, monkeypatch):
    from django.db import OperationalError

    from shop.rest import idempotency

    def unavailable(*_arguments):
        raise OperationalError("server closed the connection")

    monkeypatch.setattr(idempotency, "_insert", unavailable)

    assert api.place().status_code == 201


def test_an_answer_that_lost_a_race_to_one_that_is_gone_already_is_given_as_it_is(api, monkeypatch):
    monkeypatch.setattr(idempotency, "_insert", lambda *_arguments: False)

    answer = api.place()

    assert (answer.status_code, Work.calls, IdempotencyKey.objects.count()) == (201, ["key-1"], 0)


def test_kept_answers_go_after_their_retention(api, settings):
    api.place("old")
    api.place("young")
    IdempotencyKey.objects.filter(key="old").update(
        created_at=Now() - timedelta(hours=settings.IDEMPOTENCY_RETENTION_HOURS, seconds=1)
    )

    assert tasks.prune_idempotency_keys() == 1
    assert [row.key for row in IdempotencyKey.objects.all()] == ["young"]
