"""One id from the gateway to the mail: a real shop behind a real NGINX, with a worker over RabbitMQ."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import uuid
from collections.abc import Callable, Iterator
from email import message_from_string
from functools import partial
from pathlib import Path
from typing import Any, Self

import pytest

from local.processes import free_port
from tests.acceptance.test_processes import rabbitmq
from tests.deploy.test_gateway import PATIENCE_SECONDS, _await_port, _local, _nginx
from tests.driver.factories import OrderBodyFactory, UserFactory
from tests.driver.processes import Shop, wait_until
from tests.driver.tokens import token_of

__all__ = ["rabbitmq"]

ID = re.compile(r"[0-9a-f]{32}")
CALLERS_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLERS = f"00-{CALLERS_TRACE}-00f067aa0ba902b7-01"


class Gateway:
    """NGINX with the shop's configuration, before a shop."""

    def __init__(self, folder: Path, *, upstream: int) -> None:
        self.port = free_port()
        self._folder = folder
        self._nginx = _nginx()
        self._configuration = _local(folder, port=self.port, upstream=upstream)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        command = [self._nginx, "-c", str(self._configuration), "-p", str(self._folder), "-g", "daemon off;"]
        self._process = subprocess.Popen(command)
        _await_port(self._process, self.port)
        return self

    def __exit__(self, *_exception: object) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(PATIENCE_SECONDS)

    def ask(self, method: str, path: str, *, body: Any = None, **headers: str) -> tuple[int, list[str], dict[str, Any]]:
        """Return the status, every X-Request-ID of the answer, and its body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            text = None if body is None else json.dumps(body)
            connection.request(method, path, body=text, headers=named | {"Content-Type": "application/json"})
            answer = connection.getresponse()
            ids = [value for name, value in answer.getheaders() if name.lower() == "x-request-id"]
            content = answer.read()
            told = json.loads(content) if "json" in answer.headers.get("Content-Type", "") else {}
            return answer.status, ids, told
        finally:
            connection.close()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self._folder / "access.log").read_text().splitlines()]


@pytest.fixture
def shop(start_shop: Callable[..., Shop], rabbitmq: Any, tmp_path: Path, mug: str) -> Shop:
    shop = start_shop(
        BROKER_URL=rabbitmq.url,
        EVENTS_NAMESPACE=f"t{uuid.uuid4().hex[:8]}.",
        DJANGO_SETTINGS_MODULE="config.settings.development",
        SECRET_KEY="test-only-not-a-secret-" + "x" * 40,
        EMAIL_URL=f"filemail:///{tmp_path / 'mail'}",
        SHIPPING_CARRIER="sandbox",
        TRUSTED_PROXIES="1",
    )
    shop.run(
        "worker", "-m", "celery", "-A", "config", "worker", "--concurrency=1", "--loglevel=INFO",
        "--without-heartbeat", "--without-gossip", "--without-mingle",
    )  # fmt: skip
    shop.start_web(workers=1)
    return shop


@pytest.fixture
def gateway(shop: Shop, tmp_path: Path) -> Iterator[Gateway]:
    (tmp_path / "nginx").mkdir()
    with Gateway(tmp_path / "nginx", upstream=shop.port) as running:
        yield running


def lines_of(folder: Path, process: str) -> list[dict[str, Any]]:
    (log,) = folder.glob(f"{process}-*.log")
    return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]


def mails_in(folder: Path) -> list[Any]:
    # Django names a file by the second and by the backend's place in memory: two mails of a second may share one.
    texts = [text for path in (folder / "mail").glob("*.log") for text in path.read_text().split(f"{'-' * 79}\n")]
    return [message_from_string(text) for text in texts if text.strip()]


EVERYWHERE = {"web", "mail", "email.sent", "shipment.booked"}


def is_told_of_everywhere(tmp_path: Path, trace_id: str, order_id: str) -> bool:
    """Return whether every part of the shop tells of an order under this trace."""
    found = {
        "web" for line in lines_of(tmp_path, "web") if line.get("order_id") == order_id and line["trace_id"] == trace_id
    }
    worker = [line for line in lines_of(tmp_path, "worker") if line.get("trace_id") == trace_id]
    found |= {line["event"] for line in worker if line.get("order_id") == order_id}
    found |= {"mail" for mail in mails_in(tmp_path) if mail["X-Trace-ID"] == trace_id}
    return found >= EVERYWHERE


@pytest.mark.rabbitmq
@pytest.mark.timeout(600)
def test_one_id_from_the_gateway_to_the_mail(shop: Shop, gateway: Gateway, tmp_path: Path):
    from orders.models import Order, Outbox

    def place(**headers: str) -> tuple[str, str]:
        """Return the one id of the answer, and the order's."""
        token, key = token_of(UserFactory()), str(uuid.uuid4())
        named = {"Authorization": f"Bearer {token}", "Idempotency_Key": key} | headers
        status, ids, told = gateway.ask("POST", "/api/v1/orders", body=OrderBodyFactory(), **named)
        assert status == 201, (told, shop.tails())
        assert len(ids) == 1, ids
        assert ID.fullmatch(ids[0])
        return ids[0], str(told["id"])

    # Nobody brings an id: the gateway's is that of the whole order. A stranger's own word on it changes nothing.
    for strange in ({}, {"X_Request_ID": "checkout-12345"}, {"X_Request_ID": "a" * 32}, {"X_Request_ID": 'x", "y": "'}):
        request_id, order_id = place(**strange)
        wait_until(partial(is_told_of_everywhere, tmp_path, request_id, order_id), "all tell of it", shop)
        traces = set(Outbox.objects.filter(aggregate_id=order_id).values_list("traceparent", flat=True))
        assert {each.split("-")[1] for each in traces} == {request_id}
        (line,) = [line for line in gateway.lines() if line["request_id"] == request_id]
        assert line["trace_id"] == request_id
        (finished,) = [line for line in lines_of(tmp_path, "web") if line.get("request_id") == request_id]
        assert finished["order_id"] == order_id
    assert [line["caller_request_id"] for line in gateway.lines()][-4:] == ["", "checkout-12345", "a" * 32, ""]

    # The caller brings a trace: everything belongs to it, and the two lines of the request name both ids.
    request_id, order_id = place(traceparent=CALLERS)
    assert request_id != CALLERS_TRACE
    wait_until(partial(is_told_of_everywhere, tmp_path, CALLERS_TRACE, order_id), "all tell of it", shop)
    (line,) = [line for line in gateway.lines() if line["request_id"] == request_id]
    assert line["trace_id"] == CALLERS_TRACE
    assert Order.objects.count() == 5

    # A page, an answer of the gateway's own and every problem have one id, and the problem says it.
    for path, status in (("/problems/", 200), ("/api/v1/orders", 401), ("/api/v1/nothing", 404), ("/metrics", 404)):
        found, ids, told = gateway.ask("GET", path)
        assert (found, len(ids)) == (status, 1), path
        if told:
            assert (told["trace_id"], told["instance"]) == (ids[0], f"urn:uuid:{uuid.UUID(ids[0])}")
    found, ids, told = gateway.ask("POST", "/api/v1/orders", body="x" * 70_000)
    assert (found, ids) == (413, [told["trace_id"]])
    shop.stop()


@pytest.mark.timeout(300)
def test_without_a_proxy_of_ours_nobody_s_word_on_an_id_is_taken(start_shop: Callable[..., Shop], tmp_path: Path):
    shop = start_shop(TRUSTED_PROXIES="0")
    shop.start_web(workers=1)
    seen = set()

    for sent in ("a" * 32, "checkout-12345"):
        connection = http.client.HTTPConnection("127.0.0.1", shop.port, timeout=60)
        connection.request("GET", "/api/v1/products", headers={"X-Request-ID": sent})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        seen.add(answer.headers["X-Request-ID"])

    assert len(seen) == 2
    assert not seen & {"a" * 32, "checkout-12345"}
    assert "checkout-12345" not in shop.tails()
