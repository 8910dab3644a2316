"""Events reach the shop's endpoint, signed, at least once."""

from __future__ import annotations

import http.client
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import stripe

from local.stripe import Sandbox
from local.stripe.webhooks import WORKERS, _read_answer

from .clients import Control, Receiver, Shop, until

FIVE = [
    "charge.captured",
    "charge.succeeded",
    "payment_intent.amount_capturable_updated",
    "payment_intent.created",
    "payment_intent.succeeded",
]


@pytest.fixture
def delivering(control: Control, receiver: Receiver) -> Receiver:
    control.post("webhooks", {"url": receiver.url, "secret": "whsec_test", "retry_seconds": 0.02})
    return receiver


def test_delivery_carries_a_signature_the_sdk_accepts(shop: Shop, delivering: Receiver) -> None:
    intent = shop.create(metadata={"order_id": "o1"})
    until(lambda: delivering.received)

    payload, header = delivering.received[0]
    event = stripe.Webhook.construct_event(payload, header, "whsec_test")

    assert (event.type, event.data.object["id"]) == ("payment_intent.created", intent.id)
    assert event.id == shop.stripe.v1.events.list().data[0].id
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(payload, header, "whsec_other")
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(payload.replace(b"5000", b"5001"), header, "whsec_test")


def test_event_names_the_request_that_caused_it(shop: Shop, delivering: Receiver) -> None:
    intent = shop.create(key="k1")
    until(lambda: delivering.received)

    request = json.loads(delivering.received[0][0])["request"]

    headers = intent.last_response.headers  # type: ignore[attr-defined]
    assert request == {"id": headers["Request-Id"], "idempotency_key": "k1"}


def test_endpoint_gets_only_what_it_is_registered_for(shop: Shop, control: Control, delivering: Receiver) -> None:
    control.post("webhooks", {"enabled_events": ["payment_intent.succeeded", "charge.cap*"]})
    shop.captured()

    until(lambda: control.get("webhooks")["pending"] == 0)
    assert sorted(delivering.types()) == ["charge.captured", "payment_intent.succeeded"]
    assert control.get("webhooks")["dropped"] == 0


def test_connections_to_the_endpoint_are_kept(shop: Shop, control: Control, delivering: Receiver) -> None:
    for _time in range(4):
        shop.captured()
    until(lambda: control.get("webhooks")["pending"] == 0)

    assert len(delivering.received) == 20
    assert delivering.connections <= WORKERS


def test_every_event_is_delivered_once(shop: Shop, control: Control, delivering: Receiver) -> None:
    shop.captured()

    until(lambda: control.get("webhooks")["pending"] == 0)
    assert sorted(delivering.types()) == FIVE
    assert control.get("webhooks")["delivered"] == 5


def test_burst_is_delivered_once_each(shop: Shop, control: Control, delivering: Receiver) -> None:
    def buy() -> None:
        shop.captured()
        control.post("webhooks", {"duplicate": 0})  # a change has what is due looked for once more

    with ThreadPoolExecutor(8) as buyers:
        for each in [buyers.submit(buy) for _ in range(20)]:
            each.result()

    until(lambda: control.get("webhooks")["pending"] == 0)
    ids = [json.loads(body)["id"] for body, _ in delivering.received]
    assert len(ids) == len(set(ids)) == 5 * 20


@pytest.mark.parametrize("status", [500, 404, 302])
def test_refused_delivery_is_tried_again(shop: Shop, control: Control, delivering: Receiver, status: int) -> None:
    delivering.statuses[:] = [status, status]

    shop.create()

    until(lambda: len(delivering.received) == 3)
    until(lambda: control.get("webhooks")["pending"] == 0)
    assert len({json.loads(body)["id"] for body, _ in delivering.received}) == 1
    assert control.get("webhooks")["failed_attempts"] == 2


def test_event_counts_as_pending_until_it_is_taken(shop: Shop, control: Control, delivering: Receiver) -> None:
    control.post("webhooks", {"paused": True})
    shop.create()
    events = shop.stripe.v1.events
    assert events.list().data[0].pending_webhooks == 1
    assert len(events.list({"delivery_success": False}).data) == 1

    control.post("webhooks", {"paused": False})

    until(lambda: events.list().data[0].pending_webhooks == 0)
    assert len(events.list({"delivery_success": True}).data) == 1


def test_flush_delivers_what_is_held(shop: Shop, control: Control, delivering: Receiver) -> None:
    control.post("webhooks", {"paused": True})
    shop.captured()
    assert delivering.received == []

    outcome = control.post("webhooks/flush")

    assert outcome == {"delivered": 5, "failed": 0, "remaining": 0}
    assert sorted(delivering.types()) == FIVE


def test_copies_are_sent_as_often_as_asked(shop: Shop, control: Control, delivering: Receiver) -> None:
    control.post("webhooks", {"duplicate": 2})

    shop.create()

    until(lambda: control.get("webhooks")["pending"] == 0)
    assert delivering.types() == ["payment_intent.created"] * 3


def test_reordering_shuffles_events(shop: Shop, control: Control, delivering: Receiver) -> None:
    control.post("webhooks", {"reorder": True, "paused": True})
    for _ in range(8):
        shop.create()
    created = [event.id for event in reversed(shop.stripe.v1.events.list().data)]

    control.post("webhooks/flush")

    arrived = [json.loads(body)["id"] for body, _ in delivering.received]
    assert sorted(arrived) == sorted(created)
    assert arrived != created


def test_dropped_types_are_listed_but_never_delivered(shop: Shop, control: Control, delivering: Receiver) -> None:
    control.post("webhooks", {"drop_types": ["payment_intent.*"]})

    shop.captured()

    until(lambda: control.get("webhooks")["pending"] == 0)
    assert sorted(delivering.types()) == ["charge.captured", "charge.succeeded"]
    assert len(shop.event_types()) == 5
    assert control.get("webhooks")["dropped"] == 3


def test_delayed_delivery_waits(shop: Shop, control: Control, delivering: Receiver) -> None:
    control.post("webhooks", {"delay_seconds": 0.4})
    before = time.monotonic()

    shop.create()

    until(lambda: delivering.received)
    assert time.monotonic() - before >= 0.4


def test_unreachable_endpoint_does_not_hold_up_requests(shop: Shop, control: Control) -> None:
    control.post("webhooks", {"url": "http://127.0.0.1:9/", "secret": "x"})

    assert shop.captured().status == "succeeded"

    assert control.get("webhooks")["pending"] == 5


def test_without_an_endpoint_events_are_only_listed(shop: Shop, control: Control) -> None:
    shop.captured()

    assert len(shop.event_types()) == 5
    assert control.get("webhooks")["pending"] == 0


def test_constructor_takes_endpoint_and_secret(receiver: Receiver) -> None:
    with Sandbox(webhook_url=receiver.url, webhook_secret="whsec_mine") as sandbox:
        Shop(sandbox.url).create()
        until(lambda: receiver.received)

    stripe.Webhook.construct_event(*receiver.received[0], "whsec_mine")


@pytest.mark.parametrize(
    "asked", [{"url": "ftp://x"}, {"duplicate": -1}, {"duplicate": True}, {"paused": 1}, {"surprise": 1}]
)
def test_unclear_settings_are_refused(control: Control, asked: dict[str, object]) -> None:
    assert control.refused("webhooks", asked)


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", (200, True)),
        (b"HTTP/1.1 204 No Content\r\ncontent-length:0\r\n\r\n", (204, True)),
        (b"HTTP/1.1 500 Oops\r\nContent-Length: 4\r\nConnection: close\r\n\r\noops", (500, False)),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", (200, False)),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", (200, False)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", (200, False)),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_answer_is_read_to_its_end_however_it_arrives(sent: bytes, read: tuple[int, bool], at_once: bool) -> None:
    ours, theirs = socket.socketpair()
    with ours, ThreadPoolExecutor(1) as endpoint:
        endpoint.submit(_send, theirs, [sent] if at_once else [sent[n : n + 1] for n in range(len(sent))])

        assert _read_answer(ours) == read


def test_connection_on_which_more_than_the_answer_came_is_not_used_again() -> None:
    ours, theirs = socket.socketpair()
    with ours:
        _send(theirs, [b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nmore"])

        assert _read_answer(ours) == (200, False)


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\n", b"SSH-2.0\r\n\r\n", b"HTTP/1.1 99 Odd\r\n\r\n"])
def test_what_is_no_answer_is_a_failure(sent: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, ThreadPoolExecutor(1) as endpoint:
        endpoint.submit(_send, theirs, [sent])

        with pytest.raises(http.client.HTTPException):
            _read_answer(ours)


def _send(connection: socket.socket, pieces: list[bytes]) -> None:
    with connection:
        for piece in pieces:
            connection.sendall(piece)
