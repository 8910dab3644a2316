"""A web process that is told to stop refuses new connections at once and ends what it has begun: a real gunicorn, a real gateway."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from local.processes import free_port
from shop.serving import any_address
from tests.deploy.files import DOCKER, ROOT
from tests.deploy.test_gateway import CONFIGURATION, _await_port, _local, _nginx

PATIENCE_SECONDS = 60
# `/slow` is answered once the file `go` is there.
APPLICATION = """
import os, time
def application(environ, start_response):
    environ["wsgi.input"].read()
    began = time.monotonic()
    if environ["PATH_INFO"] == "/slow":
        open("begun", "w").close()
        while not os.path.exists("go") and time.monotonic() - began < 60:
            time.sleep(0.01)
    body = environ["REMOTE_ADDR"].encode()
    refusals = {"/busy": "503 Service Unavailable", "/large": "413 Content Too Large"}
    start_response(refusals.get(environ["PATH_INFO"], "200 OK"), [("Content-Length", str(len(body)))])
    return [body]
"""


class Replica:
    """One web container: gunicorn with the shop's configuration and an application that can be slow."""

    def __init__(
        self,
        folder: Path,
        *,
        address: str = "127.0.0.1",
        family: socket.AddressFamily = socket.AF_INET,
        application: str = APPLICATION,
        **environment: str,
    ) -> None:
        self.port, self.folder = free_port(), folder
        self.address, self.family = address, family
        folder.mkdir(exist_ok=True)
        (folder / "answering.py").write_text(application)
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "gunicorn", "-c", str(DOCKER / "gunicorn.conf.py"), "--chdir", str(folder)),
                # Longer than this test waits: what is seen to end ends for another reason.
                *("--graceful-timeout", "600", "--pythonpath", str(ROOT), "answering"),
                *(("--bind", f"127.0.0.1:{self.port}") if address == "127.0.0.1" else ()),
            ],
            cwd=ROOT,
            env=os.environ | {"WEB_CONCURRENCY": "2", "WEB_THREADS": "8", "PORT": str(self.port)} | environment,
        )
        self.wait(lambda: self.ask("/")[0] == 200)

    def wait(self, come: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                if come():
                    return
            except OSError:
                pass
            assert self.process.poll() is None, "gunicorn ended"
            assert time.monotonic() < deadline, "it did not come"
            time.sleep(0.02)

    def ask(self, path: str) -> tuple[int, str]:
        host = {"127.0.0.1": "127.0.0.1", "::": "::1"}[self.address]
        connection = http.client.HTTPConnection(host, self.port, timeout=PATIENCE_SECONDS)
        try:
            connection.request("POST", path, body=b"x")
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def stop(self) -> None:
        """Do what `docker stop` does first."""
        self.process.send_signal(signal.SIGTERM)

    def close(self) -> None:
        (self.folder / "go").touch()
        self.process.kill()
        self.process.wait()


@pytest.fixture
def replica(tmp_path: Path) -> Iterator[Replica]:
    replica = Replica(tmp_path / "one")
    yield replica
    replica.close()


def test_a_process_that_stops_listens_no_more_and_ends_what_it_has_begun(replica: Replica) -> None:
    with ThreadPoolExecutor(1) as caller:
        slow = caller.submit(replica.ask, "/slow")
        replica.wait((replica.folder / "begun").exists)

        replica.stop()

        replica.wait(lambda: refused(replica.port))
        assert not slow.done()
        (replica.folder / "go").touch()
        assert slow.result() == (200, "127.0.0.1")
    assert replica.process.wait(PATIENCE_SECONDS) == 0


def refused(port: int) -> bool:
    """Return whether nobody listens; a connection that the kernel takes and nobody answers does not count."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_replica_that_stops_costs_no_order_behind_the_gateway(tmp_path: Path) -> None:
    """One of two is stopped while it works on a slow request, and orders go on coming."""
    nginx, port = _nginx(), free_port()
    replicas = [Replica(tmp_path / name) for name in ("one", "two")]
    configuration = two_upstreams(tmp_path, port=port, upstreams=[each.port for each in replicas])
    gateway = subprocess.Popen([nginx, "-c", str(configuration), "-p", str(tmp_path), "-g", "daemon off;"])
    stopping, remaining = replicas
    answers: Counter[int] = Counter()
    enough = threading.Event()

    def order() -> None:
        while not enough.is_set():
            answers[post(port)] += 1

    try:
        _await_port(gateway, port)
        with ThreadPoolExecutor(6) as callers:
            slow = callers.submit(stopping.ask, "/slow")
            stopping.wait((stopping.folder / "begun").exists)
            orders = [callers.submit(order) for _each in range(3)]
            stopping.wait(lambda: answers[200] > 50)
            stopping.stop()
            stopping.wait(lambda: refused(stopping.port))
            until = answers[200] + 100
            remaining.wait(lambda: answers[200] > until)
            (stopping.folder / "go").touch()
            assert slow.result()[0] == 200
            stopping.process.wait(PATIENCE_SECONDS)
            until = answers[200] + 100
            remaining.wait(lambda: answers[200] > until)
            enough.set()
            for each in orders:
                each.result()
    finally:
        enough.set()
        gateway.terminate()
        gateway.wait(PATIENCE_SECONDS)
        for replica in replicas:
            replica.close()

    assert set(answers) == {200}


def test_whoever_is_told_to_come_again_is_not_kept_at_this_process(replica: Replica) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", replica.port, timeout=PATIENCE_SECONDS)
    with contextlib.closing(connection):
        stays = [closes(connection, path) for path in ("/", "/busy", "/", "/large")]

    assert stays == [False, True, False, True]


# A client that does not close: whoever closes its connection is held until the file `go` is there.
NEVER_CLOSING = f"""
import gunicorn.util, os, time
def linger(sock, **_more):
    while not os.path.exists("go"):
        time.sleep(0.01)
    sock.close()
gunicorn.util.close_graceful = linger
{APPLICATION}
"""


def test_clients_that_do_not_close_hold_nobody_up(tmp_path: Path) -> None:
    replica = Replica(tmp_path / "one", application=NEVER_CLOSING, WEB_CONCURRENCY="1")
    try:
        answers = [replica.ask("/busy")[0] for _each in range(12)] + [replica.ask("/")[0]]
    finally:
        replica.close()

    assert answers == [503] * 12 + [200]


def closes(connection: http.client.HTTPConnection, path: str) -> bool:
    """Return whether the process closes the connection behind its answer, of which nothing is lost; the next one is new."""
    connection.request("POST", path, body=b"x" * 100_000)
    answer = connection.getresponse()
    assert answer.read() == b"127.0.0.1"
    return answer.getheader("Connection") == "close" and connection.sock is None


def post(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    try:
        connection.request("POST", "/webhooks/stripe", body=b"{}")
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def two_upstreams(folder: Path, *, port: int, upstreams: list[int]) -> Path:
    path = _local(folder, port=port, upstream=upstreams[0])
    (line,) = [line for line in path.read_text().splitlines() if f"server 127.0.0.1:{upstreams[0]} " in line]
    other = line.replace(str(upstreams[0]), str(upstreams[1]))
    path.write_text(path.read_text().replace(line, f"{line}\n{other}"))
    assert "resolve" in CONFIGURATION
    return path


@pytest.mark.skipif(any_address() != "::", reason="no IPv6 here")
def test_both_families_are_heard_and_a_caller_by_ipv4_is_named_by_it(tmp_path: Path) -> None:
    replica = Replica(tmp_path / "one", address="::", family=socket.AF_INET6)
    try:
        by_ipv6 = replica.ask("/")
        replica.address = "127.0.0.1"
        by_ipv4 = replica.ask("/")
    finally:
        replica.close()

    assert (by_ipv6, by_ipv4) == ((200, "::1"), (200, "127.0.0.1"))


@pytest.mark.skipif(any_address() != "::", reason="no IPv6 here")
def test_probes_of_web_are_heard_on_both_families(tmp_path: Path) -> None:
    port = free_port()
    replica = Replica(
        tmp_path / "one", application=f"import django\ndjango.setup()\n{APPLICATION}", HEALTH_PORT=str(port)
    )
    try:
        found = [lives(f"http://{host}:{port}/health") for host in ("[::1]", "127.0.0.1")]
    finally:
        replica.close()

    assert found == [True, True]


@pytest.mark.skipif(any_address() != "::", reason="no IPv6 here")
def test_metrics_of_a_worker_are_heard_on_both_families() -> None:
    port = free_port()
    serving = (
        "import django; django.setup(); from shop.observability import metrics;"
        f"metrics.serve({port}); print('serving', flush=True); input()"
    )
    worker = subprocess.Popen([sys.executable, "-c", serving], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert worker.stdin is not None
    assert worker.stdout is not None
    try:
        assert b"serving" in worker.stdout.readline()
        found = [lives(f"http://{host}:{port}/metrics") for host in ("[::1]", "127.0.0.1")]
    finally:
        worker.communicate(b"\n", timeout=PATIENCE_SECONDS)

    assert found == [True, True]


def lives(url: str) -> bool:
    try:
        return requests.get(url, timeout=PATIENCE_SECONDS).ok
    except requests.ConnectionError:
        return False
