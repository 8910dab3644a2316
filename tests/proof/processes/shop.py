"""The whole shop as processes of ours, a proxy in front of each dependency, and the ways to hurt it.

Everything runs as `make run` starts it, with the settings of production where they matter: the pool of the web server,
RabbitMQ, fsync. Whatever dies is started again at once, as a supervisor would.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg
import requests

from local.postgres import EmbeddedPostgres
from local.processes import ROOT, Process, python
from local.stack import SANDBOX_KEY, Stack
from shop import topology
from shop.contexts import CONTEXTS
from shop.events.broker import connect
from tests.driver.rabbitmq import PrivateRabbitmq, channel_of, server_script
from tests.proof.processes.proxy import HOST, Proxy

Rows = list[tuple[Any, ...]]
CUSTOMERS: Final = 6


class ChaosShop(Stack):
    """A shop over PostgreSQL, RabbitMQ and the sandbox, each of its own and each behind a proxy."""

    def __init__(self, home: Path) -> None:
        super().__init__(home=home, keeps_state=True)
        self.database = EmbeddedPostgres(home / "postgres", durable=True)
        self.broker = PrivateRabbitmq()
        self.to_database = Proxy(lambda: self.database.port)
        self.to_broker = Proxy(lambda: self.broker.port)
        self.to_provider = Proxy(lambda: self.sandbox_port)
        self.environment: dict[str, str] = {}
        self.tokens: dict[str, str] = {}

    @property
    def proxies(self) -> tuple[Proxy, ...]:
        return self.to_database, self.to_broker, self.to_provider

    def start(self) -> None:
        """Start everything; a fresh shop, seeded, with nothing to do."""
        with ThreadPoolExecutor(max_workers=1) as beside:
            broker = beside.submit(self._prepare_broker)
            self._prepare_database()
            broker.result()
        self.start_sandbox()
        self.start_web()
        self.start_worker()
        self.start_beat()
        self.start_relay()

    def start_relay(self) -> None:
        """Start the relay as a process beside those of the web server and the worker."""
        self._run("relay", python("manage.py", "relay_outbox", "--forever"), self._metrics_folder("relay"))

    def stop(self) -> None:
        """End everything, whatever state it is in, and leave nothing behind but the logs."""
        with ExitStack() as last_first:
            for proxy in self.proxies:
                last_first.callback(proxy.close)
            last_first.callback(self.database.remove)
            last_first.callback(self.broker.close)
            for process in self.processes.values():
                last_first.callback(process.kill)
            self.thaw_processes()

    def thaw_processes(self) -> None:
        """Let everything that was stopped go on."""
        for process in self.processes.values():
            process._signal(signal.SIGCONT)
        self.signal_database(signal.SIGCONT)
        self.broker.resume()

    def dead(self) -> list[str]:
        """Return the processes that have ended by themselves, each with the end of its log, and start them again."""
        ended = [process for process in self.processes.values() if not process.is_running()]
        for process in ended:
            process.kill()
            process.start()
        return [f"{process.name} ended on its own; the end of its log:\n{process.tail(5)}" for process in ended]

    def restart(self, name: str) -> None:
        """Kill a process with all its children and start it again, as its supervisor would."""
        self.processes[name].kill()
        start: Callable[[], None] = getattr(self, f"start_{name}")
        start()

    def signal_database(self, number: signal.Signals) -> None:
        """Send a signal to PostgreSQL and all its children."""
        postmaster = self.database._postmaster.pid()
        for pid in [postmaster, *children_of(postmaster)] if postmaster else []:
            send(pid, number)

    def kill_database(self) -> None:
        """SIGKILL PostgreSQL and all its children, as a power cut would."""
        self.signal_database(signal.SIGKILL)
        self.database.kill()

    def rabbitmqctl(self, *arguments: str) -> None:
        """Run the broker's own control tool on our node."""
        tool = Path(server_script()).with_name("rabbitmqctl")
        command = [str(tool), "--node", self.broker.node_name, *arguments]
        done = subprocess.run(command, env=self.broker._environment(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of the shop's commands on this shop."""
        return self._command(python("manage.py", *arguments))

    def rows(self, statement: str, parameters: dict[str, Any] | None = None) -> Rows:
        """Read the database past the proxy."""
        with self.snapshot() as read:
            return read(statement, parameters)

    @contextmanager
    def snapshot(self) -> Iterator[Callable[..., Rows]]:
        """Give a function that reads the database past the proxy, each time as it is now."""
        with psycopg.connect(self.database.url("shop"), connect_timeout=5) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            yield lambda statement, parameters=None: connection.execute(statement, parameters).fetchall()

    def sandbox(self, method: str, path: str, body: Any = None) -> Any:
        """Work the sandbox's control panel past the proxy. Raises: requests.RequestException."""
        answer = requests.request(method, f"{self.sandbox_url}/sandbox/{path}", json=body, timeout=15)
        answer.raise_for_status()
        return answer.json()

    def tails(self, lines: int = 15) -> str:
        return "\n".join(f"--- {process.name}\n{process.tail(lines)}" for process in self.processes.values())

    def _prepare_database(self) -> None:
        self.database.start()
        self.database.ensure_database("shop")
        direct = self.database.url("shop")
        self.environment = {
            **{f"{context.upper()}_DATABASE_URL": "" for context in CONTEXTS},
            "DATABASE_URL": direct.replace(f":{self.database.port}/", f":{self.to_database.port}/"),
            "DATABASE_POOL_MAX": "18",
            "DJANGO_SETTINGS_MODULE": "config.settings.development",
            "BROKER_URL": f"amqp://guest:guest@{HOST}:{self.to_broker.port}//",
            "EVENTS_NAMESPACE": "",
            "STRIPE_API_KEY": SANDBOX_KEY,
            "STRIPE_API_BASE": f"http://{HOST}:{self.to_provider.port}",
            "EMAIL_URL": "dummymail://",
            "SANDBOX_CARRIER_TRANSIT_SECONDS": "30",
            "API_RATE_CUSTOMER": "1000000/min",
            "API_RATE_ANONYMOUS": "1000000/min",
            "API_RATE_DECLINED_CARDS": "1000000/hour",
            "API_RATE_DECLINED_CARDS_OF_MANY": "1000000/hour",
            "MAX_OPEN_ORDERS_PER_CUSTOMER": "1000000",
            "MAX_HELD_UNPAID_PIECES": "1000000",
            "MAX_UNPAID_ORDER_EMAILS": "1000000",
            "LOG_FORMAT": "json",
        }
        migrated = self.manage("migrate_all")
        assert migrated.returncode == 0, migrated.stdout + migrated.stderr
        seeded = self._command(python("-m", "tests.proof.processes.seed", str(CUSTOMERS)))
        assert seeded.returncode == 0, seeded.stdout + seeded.stderr
        self.tokens = json.loads(seeded.stdout.splitlines()[-1])

    def _prepare_broker(self) -> None:
        """Have the queues stand before anything is killed.

        RabbitMQ 3.10 flushes who leads a new quorum queue some seconds late, and a node that is killed before that never
        finds a leader again. An orderly stop flushes it.
        """
        self.broker.start()
        with channel_of(connect(self.broker.url)) as channel:
            topology.declare(channel)
        self.broker.stop()
        self.broker.start()

    def _command(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        environment = os.environ | self.environment | {"LOG_LEVEL": "WARNING", "SHOP_ROLE": "audit"}
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    def _run(self, name: str, command: list[str], environment: dict[str, str]) -> Process:
        return super()._run(name, command, self.environment | environment)


def children_of(pid: int) -> list[int]:
    """Return the processes that `pid` has started and that still run."""
    listed = subprocess.run(["ps", "-axo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [tuple(map(int, line.split())) for line in listed.splitlines()]
    return [child for child, parent in pairs if parent == pid]


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process that may be gone."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def wait_until(ask: Callable[[], Any], what: str, *, seconds: float, pause: float = 0.1) -> Any:
    """Ask until the answer is true. Raises: AssertionError once the time is over."""
    deadline = time.monotonic() + seconds
    waiting = threading.Event()
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        waiting.wait(pause)
    return answer
