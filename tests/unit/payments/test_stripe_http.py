"""The SDK's transport against a server that speaks, falls silent or hangs up: what is kept, and that nothing goes twice."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import socket
import ssl
import threading
from collections import deque
from typing import Any
from urllib.parse import urlsplit

import pytest
import stripe
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from payments.gateways.stripe.http import KeptAliveClient
from shop import kept_alive
from shop.observability import tracing

ANSWER = b"HTTP/1.1 200 OK\r\nRequest-Id: req_1\r\nContent-Length: 2\r\n\r\n{}"
PATIENCE_SECONDS = 60.0


class Listener:
    """Accepts connections and answers each request on them with the next of `answers`; b"" hangs up."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []
        self.connections = []
        self.hung_up = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1/things?limit=1"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                self.connections.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError), connection:
            while request := self._read_request(connection):
                self.requests.append(request)
                answer = self.answers.pop(0) if self.answers else ANSWER
                if answer is None:
                    continue
                if answer == b"":
                    break
                connection.sendall(answer)
            connection.shutdown(socket.SHUT_RDWR)
        self.hung_up.set()

    @staticmethod
    def _read_request(connection):
        """Return one request whole, its body included; b"" where the client hung up first."""
        read = b""
        while b"\r\n\r\n" not in read:
            if not (more := connection.recv(65536)):
                return b""
            read += more
        length = re.search(rb"\r\nContent-Length: (\d+)\r\n", read)
        whole = read.index(b"\r\n\r\n") + 4 + (int(length[1]) if length else 0)
        while len(read) < whole:
            if not (more := connection.recv(65536)):
                return b""
            read += more
        return read

    def close(self):
        self._listening.close()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def listen():
    with contextlib.ExitStack() as stack:

        def start(*answers):
            listener = Listener(*answers)
            stack.callback(listener.close)
            return listener

        yield start


@pytest.fixture
def client(monkeypatch):
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    made = KeptAliveClient(timeout_seconds=PATIENCE_SECONDS)
    yield made
    made.close()


def test_second_request_uses_the_same_connection(client, listen):
    server = listen()

    first = client.request("post", server.url, {"Idempotency-Key": "k"}, "amount=1")
    second = client.request("get", server.url, {})

    assert (first[0], first[1], second[1]) == (b"{}", 200, 200)
    assert len(server.connections) == 1
    assert server.requests[0].startswith(b"POST /v1/things?limit=1 HTTP/1.1\r\n")
    assert b"Idempotency-Key: k\r\n" in server.requests[0]


def test_head_and_body_are_sent_at_once(client, listen, monkeypatch):
    sent = []
    send = http.client.HTTPConnection.send

    def watch(connection, data):
        sent.append(data)
        send(connection, data)

    monkeypatch.setattr(http.client.HTTPConnection, "send", watch)

    client.request("post", listen().url, {}, "amount=1")

    (whole,) = sent
    assert whole.startswith(b"POST /v1/things?limit=1 HTTP/1.1\r\n")
    assert whole.endswith(b"\r\n\r\namount=1")


def test_header_of_the_answer_is_found_in_any_case(client, listen):
    headers = client.request("get", listen().url, {})[2]

    assert headers["request-id"] == headers["Request-Id"] == "req_1"
    assert "REQUEST-ID" in headers


def test_connection_that_the_other_end_closed_is_not_used_again(client, listen):
    server = listen(ANSWER)
    client.request("get", server.url, {})
    server.connections[0].shutdown(socket.SHUT_RDWR)
    assert server.hung_up.wait(PATIENCE_SECONDS)

    assert client.request("get", server.url, {})[1] == 200
    assert len(server.connections) == 2


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", b"nonsense\r\n\r\n"])
def test_request_whose_answer_breaks_off_is_never_sent_again(client, listen, answer):
    server = listen(ANSWER, answer)
    client.request("post", server.url, {}, "a=1")
    if answer:
        threading.Thread(target=_hang_up_after, args=(server, 2), daemon=True).start()

    with pytest.raises(stripe.APIConnectionError):
        client.request_with_retries("post", server.url, {}, "a=1", max_network_retries=0)

    assert len(server.requests) == 2


def _hang_up_after(server, requests):
    while len(server.requests) < requests:
        pass
    with contextlib.suppress(OSError):
        server.connections[0].shutdown(socket.SHUT_RDWR)


def test_silence_ends_after_the_timeout_as_an_error_of_the_connection(listen):
    server = listen(None)
    client = KeptAliveClient(timeout_seconds=0.05)

    with pytest.raises(stripe.APIConnectionError) as told:
        client.request("get", server.url, {})

    assert isinstance(told.value.__cause__, TimeoutError)
    assert not told.value.should_retry


def test_server_that_refuses_connections_is_an_error_of_the_connection(client):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    with pytest.raises(stripe.APIConnectionError):
        client.request("get", f"http://127.0.0.1:{port}/", {})


class TimeIsUp(Exception):
    pass


def test_what_breaks_into_an_answer_rises_and_its_connection_is_never_used_again(client, listen, monkeypatch):
    server = listen()

    def break_in(_response):
        raise TimeIsUp

    with monkeypatch.context() as planted:
        planted.setattr("http.client.HTTPResponse.read", break_in)
        with pytest.raises(TimeIsUp):
            client.request("get", server.url, {})

    assert client.request("get", server.url, {})[1] == 200
    assert len(server.connections) == 2


def test_connection_that_was_idle_for_long_is_not_used_again(client, listen, monkeypatch):
    server = listen()
    client.request("get", server.url, {})

    monkeypatch.setattr(kept_alive, "IDLE_SECONDS", 0.0)
    client.request("get", server.url, {})

    assert len(server.connections) == 2


def test_requests_at_once_have_a_connection_each_and_the_idle_ones_are_bounded(client, listen, monkeypatch):
    monkeypatch.setattr(kept_alive, "MOST_IDLE", 2)
    server = listen(None, None, None)
    threads = [threading.Thread(target=client.request, args=("get", server.url, {})) for _ in range(3)]
    for thread in threads:
        thread.start()
    while len(server.requests) < 3:
        pass
    for connection in list(server.connections):
        connection.sendall(ANSWER)
    for thread in threads:
        thread.join(PATIENCE_SECONDS)

    assert len(server.connections) == 3
    assert [len(kept) for kept in client._connections._kept.values()] == [2]


def test_forked_process_does_not_speak_on_its_parents_connections(client, listen, monkeypatch):
    server = listen()
    client.request("get", server.url, {})

    with monkeypatch.context() as child:
        child.setattr(os, "getpid", lambda: -1)
        client.request("get", server.url, {})
        client.close()

    assert len(server.connections) == 2
    assert client.request("get", server.url, {})[1] == 200
    assert len(server.connections) == 2


def test_https_goes_through_the_proxy_of_the_environment(client, listen, monkeypatch):
    proxy = listen(b"HTTP/1.1 502 no\r\n\r\n")
    monkeypatch.setenv("HTTPS_PROXY", f"http://shop:s%40fe@127.0.0.1:{proxy.port}")

    with pytest.raises(stripe.APIConnectionError):
        client.request("get", "https://api.stripe.test/v1/things", {"Authorization": "Bearer sk_test_1"})

    (head,) = proxy.requests
    assert head.startswith(b"CONNECT api.stripe.test:443 ")
    assert b"Proxy-Authorization: Basic c2hvcDpzQGZl\r\n" in head
    assert b"sk_test_1" not in head


def test_no_proxy_and_plain_http_go_straight_there(client, listen, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "stripe.test")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")

    assert kept_alive._proxy_to("api.stripe.test") is None
    assert client.request("get", listen().url, {})[1] == 200


def test_proxy_of_another_kind_is_refused_at_once(client, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:9")

    with pytest.raises(ValueError, match="socks5"):
        client.request("get", "https://api.stripe.test/", {})


def test_certificate_is_verified(client):
    assert client._connections._certificates.verify_mode == ssl.CERT_REQUIRED
    assert client._connections._certificates.check_hostname
    assert client._connections._certificates.get_ca_certs()


def test_call_in_a_trace_has_a_span_that_tells_the_status(client, listen, monkeypatch):
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    monkeypatch.setattr(tracing, "tracer", provider.get_tracer("test"))
    server = listen()

    client.request("get", server.url, {})
    with provider.get_tracer("test").start_as_current_span("POST /orders"):
        client.request("get", server.url, {})

    span, _parent = kept.get_finished_spans()
    assert (span.name, span.kind) == ("GET", SpanKind.CLIENT)
    assert span.attributes["http.response.status_code"] == 200
    assert span.attributes["server.address"] == "127.0.0.1"


def test_proxy_without_a_user_is_told_no_credentials(client, listen, monkeypatch):
    proxy = listen(b"HTTP/1.1 502 no\r\n\r\n")
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")

    with pytest.raises(stripe.APIConnectionError):
        client.request("get", "https://api.stripe.test/v1/things", {})

    assert b"Proxy-Authorization" not in proxy.requests[0]


def test_https_without_a_proxy_goes_straight_there_and_verifies_the_certificate(client):
    connection: Any = client._connections._connect(urlsplit("https://api.stripe.test:8443/v1/things"))

    assert (connection.host, connection.port, connection._tunnel_host) == ("api.stripe.test", 8443, None)
    assert connection._context is client._connections._certificates


def test_idle_connections_that_other_threads_have_all_taken_meanwhile_cost_nobody_an_error(monkeypatch):
    class Taken(deque):
        def popleft(self):
            raise IndexError("pop from an empty deque")

    monkeypatch.setattr(kept_alive, "MOST_IDLE", 0)

    kept_alive._keep(Taken(), http.client.HTTPConnection("127.0.0.1"))
