"""The gateway's configuration, run by a real nginx in front of an upstream that tells what it was sent."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import config.urls  # noqa: F401  every error class that the API may answer is imported
from local.processes import free_port
from shop.rest import cors
from shop.rest.problem import known_problems
from tests.deploy.files import DOCKER, read_yaml

CONFIGURATION = (DOCKER / "gateway" / "nginx.conf").read_text()
ORIGINS = (DOCKER / "gateway" / "cors.conf.template").read_text()
PATIENCE_SECONDS = 60


class _Upstream(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = json.dumps({"path": self.path, "headers": {name.lower(): value for name, value in self.headers.items()}})
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    do_POST = do_GET  # noqa: N815  the names that http.server looks for
    do_OPTIONS = do_GET  # noqa: N815

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


def _local(folder: Path, *, port: int, upstream: int, origins: str = "") -> Path:
    """Write the configuration for this machine: other addresses, other folders, and no Docker DNS."""
    text = CONFIGURATION
    # As envsubst does in the image: only what the environment holds is filled in.
    (folder / "cors.conf").write_text(ORIGINS.replace("${CORS_ALLOWED_ORIGINS}", origins))
    for old, new in {
        "listen 8080": f"listen 127.0.0.1:{port}",
        # Following the name of a service needs nginx 1.27.3, and Docker to ask.
        "server web:8000 resolve ": f"server 127.0.0.1:{upstream} ",
        "/tmp/": f"{folder}/",
        "worker_processes auto": "worker_processes 1",
        "access_log /dev/stdout json": f"access_log {folder}/access.log json",
        "error_log /dev/stderr": f"error_log {folder}/error.log",
    }.items():
        assert old in text, f"nginx.conf no longer says {old!r}"
        text = text.replace(old, new)
    path = folder / "nginx.conf"
    # Started by root, nginx would switch to `nobody`, which may not enter this folder.
    path.write_text(("user root;\n" if os.geteuid() == 0 else "") + text)
    return path


def _nginx() -> str:
    found = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        pytest.skip("no nginx here (Debian: apt-get install nginx)")
    return found


@pytest.fixture(scope="module")
def upstream() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Upstream)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@contextmanager
def _running(folder: Path, *, upstream: int, origins: str = "") -> Iterator[int]:
    """Run nginx before that upstream; yield its port."""
    nginx, port = _nginx(), free_port()
    configuration = _local(folder, port=port, upstream=upstream, origins=origins)
    process = subprocess.Popen([nginx, "-c", str(configuration), "-p", str(folder), "-g", "daemon off;"])
    try:
        _await_port(process, port)
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, upstream: int) -> Iterator[int]:
    with _running(tmp_path_factory.mktemp("gateway"), upstream=upstream) as port:
        yield port


def _await_port(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        assert process.poll() is None, "nginx ended"
        with socket.socket() as probe:
            probe.settimeout(0.2)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert time.monotonic() < deadline, "nginx doesn't listen"


def _ask(
    port: int, path: str, *, method: str = "GET", body: bytes | None = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    try:
        connection.request(method, path, body=body, headers={name.replace("_", "-"): v for name, v in headers.items()})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def test_nginx_accepts_the_configuration(tmp_path: Path) -> None:
    nginx = _nginx()
    configuration = _local(tmp_path, port=free_port(), upstream=free_port())

    done = subprocess.run(
        [nginx, "-t", "-c", str(configuration), "-p", str(tmp_path)], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr


@pytest.mark.parametrize("path", ["/metrics", "/ready", "/%6detrics", "//metrics", "/api/../metrics"])
def test_what_is_for_the_platform_is_hidden(gateway: int, path: str) -> None:
    assert _ask(gateway, path)[0] == 404


def test_a_trace_goes_through(gateway: int) -> None:
    traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    status, _headers, body = _ask(gateway, "/api/v1/orders", traceparent=traceparent)

    assert status == 200
    assert json.loads(body)["headers"]["traceparent"] == traceparent


def test_request_id_is_the_gateway_s_whatever_came(gateway: int) -> None:
    strange: list[dict[str, Any]] = [{}, {"X_Request_ID": 'x" injected'}, {"X_Request_ID": "checkout-12345"}]
    for sent in strange:
        _status, headers, body = _ask(gateway, "/api/v1/orders", **sent)
        assert re.fullmatch(r"[0-9a-f]{32}", headers["x-request-id"])
        assert json.loads(body)["headers"]["x-request-id"] == headers["x-request-id"]


def test_scheme_of_the_balancer_is_passed_on(gateway: int) -> None:
    assert json.loads(_ask(gateway, "/", X_Forwarded_Proto="https")[2])["headers"]["x-forwarded-proto"] == "https"
    assert json.loads(_ask(gateway, "/")[2])["headers"]["x-forwarded-proto"] == "http"


def test_body_of_64_kib_passes_and_a_larger_one_is_refused(gateway: int) -> None:
    assert _ask(gateway, "/webhooks/stripe", method="POST", body=b"x" * 65_536)[0] == 200

    status, headers, body = _ask(gateway, "/webhooks/stripe", method="POST", body=b"x" * 65_537)

    assert status == 413
    assert headers["content-type"] == "application/problem+json"
    assert json.loads(body)["code"] == "payload_too_large"


def test_one_address_is_slowed_down_but_webhooks_are_not(gateway: int) -> None:
    logins = [_ask(gateway, "/_allauth/app/v1/auth/login", method="POST", body=b"{}") for _ in range(60)]
    webhooks = [_ask(gateway, "/webhooks/stripe", method="POST", body=b"{}")[0] for _ in range(40)]

    refused = [answer for answer in logins if answer[0] == 429]
    assert 20 <= len(refused) < 60
    assert refused[0][1]["retry-after"] == "1"
    assert json.loads(refused[0][2])["code"] == "throttled"
    assert set(webhooks) == {200}


def test_the_gateway_s_problems_are_those_of_the_shop() -> None:
    problems = [json.loads(text) for text in re.findall(r"return \d+ '(\{.*\})'", CONFIGURATION)]

    assert len(problems) == 5
    for problem in problems:
        title, status, _explanation = known_problems()[problem["code"]]
        assert problem == {
            "type": f"/problems/{problem['code']}",
            "title": title,
            "status": status,
            "detail": problem["detail"],
            "instance": "$shop_instance",
            "code": problem["code"],
            "trace_id": "$shop_trace_id",
        }


@pytest.mark.parametrize(
    ("path", "headers", "status", "code"),
    [
        ("/metrics", {}, 404, "not_found"),
        ("/api/v1/orders", {"X_Long": "x" * 9_000}, 400, "malformed_request"),
        (f"/api/v1/orders?{'x' * 9_000}", {}, 400, "malformed_request"),
        ("/api/v1/%zz", {}, 400, "malformed_request"),
    ],
)
def test_what_the_gateway_refuses_itself_is_a_problem_with_a_name(
    gateway: int, path: str, headers: dict[str, Any], status: int, code: str
) -> None:
    answered, told, body = _ask(gateway, path, X_Request_ID="0190a0a0-0000-7000-8000-000000000001", **headers)

    assert (answered, told["content-type"], json.loads(body)["code"]) == (status, "application/problem+json", code)
    assert json.loads(body)["instance"].startswith("urn:")
    assert json.loads(body)["instance"].removeprefix("urn:uuid:").replace("-", "") == told["x-request-id"]
    assert json.loads(body)["trace_id"] == told["x-request-id"]


def test_shop_that_is_away_is_told_as_a_problem(tmp_path: Path) -> None:
    with _running(tmp_path, upstream=free_port()) as port:
        status, headers, body = _ask(port, "/api/v1/orders")

    assert status == 503
    assert headers["retry-after"] == "2"
    assert json.loads(body)["code"] == "unavailable"


# --- pages of other origins -------------------------------------------------------------------------------------------

STOREFRONTS = "https://shop.example,https://m.shop.example:8443"
PREFLIGHT: dict[str, Any] = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "authorization"}


@pytest.fixture(scope="module")
def storefronts(tmp_path_factory: pytest.TempPathFactory, upstream: int) -> Iterator[int]:
    with _running(tmp_path_factory.mktemp("storefronts"), upstream=upstream, origins=STOREFRONTS) as port:
        yield port


def _told_to_pages(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.startswith("access-control-") or name == "vary"}


def _refusals(port: int, origin: str) -> dict[int, dict[str, str]]:
    """Have the gateway refuse what it can refuse itself while the shop is there; return the headers by status."""
    asked = [
        _ask(port, "/api/v1/orders", method="POST", body=b"x" * 65_537, Origin=origin),
        _ask(port, "/_allauth/app/v1/auth/login", method="POST", body=b"x" * 65_537, Origin=origin),
        # Of a request line that it cannot read, nginx reads no header, so it knows no origin.
        _ask(port, "/api/v1/orders", Origin=origin, X_Long="x" * 9_000),
        *(_ask(port, "/_allauth/app/v1/auth/login", method="POST", body=b"{}", Origin=origin) for _each in range(40)),
    ]
    return {status: headers for status, headers, _body in asked}


@pytest.mark.parametrize("origin", STOREFRONTS.split(","))
def test_what_the_gateway_refuses_itself_a_named_storefront_may_read(
    origin: str, tmp_path: Path, upstream: int
) -> None:
    with _running(tmp_path, upstream=upstream, origins=STOREFRONTS) as port:
        refused = _refusals(port, origin)
    with _running(tmp_path, upstream=free_port(), origins=STOREFRONTS) as port:
        refused[503] = _ask(port, "/api/v1/orders", Origin=origin)[1]

    assert refused.keys() == {200, 400, 413, 429, 503}
    assert _told_to_pages(refused.pop(200)) == {}, "what the shop answers, the shop alone marks"
    for headers in refused.values():
        assert _told_to_pages(headers) == {
            "access-control-allow-origin": origin,
            "access-control-expose-headers": cors.RESPONSE_HEADERS,
            "vary": "Origin",
        }


@pytest.mark.parametrize(
    "origin",
    [
        "https://elsewhere.example", "null", "", "https://shop.example.elsewhere.example", "https://shop.exampl",
        "shop.example", "https://shop.example,https://m.shop.example:8443", "https://m.shop.example", "|", ",",
        "https://elsewhere.example|https://elsewhere.example", "https://elsewhere.example /api/v1/", ".*",
    ],
)  # fmt: skip
def test_no_other_page_may_read_what_the_gateway_refuses(origin: str, storefronts: int) -> None:
    answers = [
        _ask(storefronts, "/api/v1/orders", method="POST", body=b"x" * 65_537, Origin=origin),
        _ask(storefronts, "/api/v1/orders", method="OPTIONS", Origin=origin, **PREFLIGHT),
    ]

    assert [status for status, _headers, _body in answers] == [413, 200]
    assert [_told_to_pages(headers) for _status, headers, _body in answers] == [{"vary": "Origin"}, {}]


@pytest.mark.parametrize("path", ["/webhooks/stripe", "/admin/login/", "/metrics", "/health?x=/api/v1/"])
def test_nothing_else_is_for_pages_of_other_origins(path: str, storefronts: int) -> None:
    refused = _ask(storefronts, path, method="POST", body=b"x" * 65_537, Origin="https://shop.example")
    asked = _ask(storefronts, path, method="OPTIONS", Origin="https://shop.example", **PREFLIGHT)

    assert refused[0] in (404, 413)
    assert asked[0] != 204
    assert _told_to_pages(refused[1]) == _told_to_pages(asked[1]) == {}


def test_without_the_setting_the_gateway_speaks_of_no_origins(gateway: int) -> None:
    refused = _ask(gateway, "/api/v1/orders", method="POST", body=b"x" * 65_537, Origin="https://shop.example")
    asked = _ask(gateway, "/api/v1/orders", method="OPTIONS", Origin="https://shop.example", **PREFLIGHT)

    assert (refused[0], asked[0]) == (413, 200)
    assert _told_to_pages(refused[1]) == _told_to_pages(asked[1]) == {}


def test_the_gateway_answers_a_preflight_as_the_shop_does_also_while_the_shop_is_away(tmp_path: Path) -> None:
    """A browser hides every answer to a call whose preflight was refused: by a limit, or since nobody was there."""
    with _running(tmp_path, upstream=free_port(), origins=STOREFRONTS) as port:
        answers = [
            _ask(port, path, method="OPTIONS", Origin="https://shop.example", **PREFLIGHT)
            for path in ("/api/v1/orders", *["/_allauth/app/v1/auth/login"] * 40)
        ]

    assert {(status, body) for status, _headers, body in answers} == {(204, b"")}
    assert _told_to_pages(answers[0][1]) == {
        "access-control-allow-origin": "https://shop.example",
        "access-control-allow-methods": cors.METHODS,
        "access-control-allow-headers": cors.REQUEST_HEADERS,
        "access-control-max-age": str(cors.PREFLIGHT_SECONDS),
        "vary": "Origin",
    }


def test_the_image_fills_in_the_setting_of_the_shop() -> None:
    services = read_yaml("compose.yml")["services"]
    given = services["gateway"]["environment"]

    assert given["CORS_ALLOWED_ORIGINS"] == services["web"]["environment"]["CORS_ALLOWED_ORIGINS"]
    assert "./gateway/cors.conf.template:/etc/nginx/templates/cors.conf.template:ro" in services["gateway"]["volumes"]
    assert f"include {given['NGINX_ENVSUBST_OUTPUT_DIR']}/cors.conf;" in CONFIGURATION
    assert set(re.findall(r"\$\{(\w+)\}", ORIGINS)) == {"CORS_ALLOWED_ORIGINS"}
