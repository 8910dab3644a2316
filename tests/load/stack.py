"""The shop and the article as processes on one machine: one durable PostgreSQL, a RabbitMQ, a sandbox for each.

Both are served by the same gunicorn configuration with the same processes, threads and connections.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import psycopg

from local.postgres import EmbeddedPostgres
from local.processes import ROOT, Process, StartFailed, answers, free_port, python
from local.rabbitmq import RabbitmqError, install_and_start_rabbitmq
from local.stack import SANDBOX_KEY, SANDBOX_WEBHOOK_SECRET, Stack
from shop.contexts import CONTEXTS
from tests.driver.rabbitmq import PrivateRabbitmq
from tests.load import generator
from tests.load.machine import cpu_seconds
from tests.load.statements import StatementLog

WEB_PROCESSES = 2
WEB_THREADS = 16
# One for each thread, and two for what runs beside them: no request of the bench waits for a connection.
POOL_MAX = WEB_THREADS + 2
HOME = ROOT / "var" / "bench"
# How long an order counts as under way for the audit; see the demo.
STILL_SECONDS = 6.5

# Everything that every shop here hears, and waits for: nothing is left to do once all of these are 0.
OPEN_WORK = {
    "orders without mail": "SELECT (SELECT count(*) FROM orders.orders_order WHERE confirmed_at IS NOT NULL)"
    " - (SELECT count(*) FROM notifications.notifications_email WHERE status = 'SENT' AND kind = 'order_confirmed')",
    "orders without parcel": "SELECT (SELECT count(*) FROM orders.orders_order WHERE confirmed_at IS NOT NULL)"
    " - (SELECT count(*) FROM shipping.shipping_shipment WHERE status = 'BOOKED')",
    "orders under way": "SELECT count(*) FROM orders.orders_order"
    " WHERE status IN ('PENDING', 'AWAITING_PAYMENT', 'CONFIRMING', 'CANCELING')",
}
OPEN_TRACES = {
    "facts": " + ".join(
        f"(SELECT count(*) FROM {context}.{context}_outbox WHERE published_at IS NULL AND quarantined_at IS NULL)"
        for context in CONTEXTS
    ),
    "deliveries": " + ".join(
        f"(SELECT count(*) FROM {context}.{context}_inbox WHERE status = 'RETRYING')"
        for context in ("orders", "shipping", "notifications")
    ),
    "webhooks": "(SELECT count(*) FROM payments.payments_webhookevent WHERE applied_at IS NULL)",
}


class Cluster:
    """PostgreSQL of the bench's own, with fsync, and a RabbitMQ beside it."""

    def __init__(self, *, home: Path, durable: bool = True, broker: bool = True) -> None:
        self.home = home
        self.postgres = (
            EmbeddedPostgres(home / "postgres", durable=True) if durable else EmbeddedPostgres(durable=False)
        )
        self._durable = durable
        self._wants_broker = broker
        self.rabbitmq: PrivateRabbitmq | None = None
        self.broker_url = ""

    def __enter__(self) -> Self:
        if self._durable:
            self.postgres.remove()  # what a bench that was killed has left
        self.postgres.start()
        if self._wants_broker:
            self._start_broker()
        return self

    def __exit__(self, *exception: object) -> None:
        if self.rabbitmq is not None:
            self.rabbitmq.close()
        self.postgres.remove() if self._durable else self.postgres.stop()

    def _start_broker(self) -> None:
        try:
            self.rabbitmq = PrivateRabbitmq()
            self.rabbitmq.start()
            self.broker_url = self.rabbitmq.url
        except RabbitmqError:
            self.rabbitmq = None
            self.broker_url = os.environ.get("BROKER_URL") or install_and_start_rabbitmq()

    def groups(self) -> dict[str, list[int]]:
        """Return the roots of the process groups, for CPU."""
        found = {"postgres": [self.postgres._postmaster.pid() or 0]}
        if self.rabbitmq is not None and self.rabbitmq._server is not None:
            found["broker"] = [self.rabbitmq._server.pid]
        return found

    def make_database(self, name: str, *, template: str | None = None) -> str:
        """Make a database anew and return its URL."""
        with psycopg.connect(self.postgres.url("postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            connection.execute(f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else ""))
        return self.postgres.url(name)

    def writing_commits(self) -> int:
        """Return the number of transactions that have written or locked a row, of the whole cluster, since it began."""
        with psycopg.connect(self.postgres.url("postgres"), autocommit=True) as connection:
            return int(connection.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text").fetchone()[0])

    @contextlib.contextmanager
    def statements_logged(self) -> Iterator[StatementLog]:
        """Have the server log every statement meanwhile, with the application that sent it."""
        with psycopg.connect(self.postgres.url("postgres"), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET log_line_prefix = '%%>%a|%d|%p> '")
            connection.execute("ALTER SYSTEM SET log_statement = 'all'")
            connection.execute("SELECT pg_reload_conf()")
            time.sleep(0.3)
            yield StatementLog(self.postgres.log_file)
            connection.execute("ALTER SYSTEM RESET log_statement")
            connection.execute("SELECT pg_reload_conf()")


class ShopStack(Stack):
    """The shop: web, worker and beat with the sandbox, on a database and queues of its own."""

    def __init__(self, cluster: Cluster, *, name: str, provider: str = "stripe", threads: int = WEB_THREADS,
                 pool: int | None = None, **environment: str) -> None:  # fmt: skip
        super().__init__(home=cluster.home / name, keeps_state=False)
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(parents=True)
        self.cluster, self.database, self.provider, self.threads = cluster, name, provider, threads
        self.pool = pool or threads + 2
        self.tokens: list[str] = []
        self.watched_seconds = 0.0
        self.environment = {
            "DJANGO_SETTINGS_MODULE": "tests.load.settings",
            "DATABASE_URL": cluster.make_database(name),
            "BROKER_URL": cluster.broker_url,
            "EVENTS_NAMESPACE": f"{name}-{uuid4().hex[:6]}.",
            "STRIPE_API_BASE": self.sandbox_url,
            "EMAIL_URL": "dummymail://",
            # Where a run of the tests has a database for each context, this shop has one all the same.
            **{f"{context.upper()}_DATABASE_URL": "" for context in CONTEXTS},
            "LOG_FORMAT": "json",
            "BENCH_PROVIDER": provider,
            "BENCH_PROVIDER_BOOK": str(self.home / "provider"),
        } | environment

    @property
    def uses_sandbox(self) -> bool:
        return self.provider == "stripe"

    @property
    def uses_broker(self) -> bool:
        return bool(self.cluster.broker_url)

    def start(self) -> Self:
        """Seed the database and start everything."""
        self.tokens = json.loads(self.run("-m", "tests.load.seed"))
        self.start_services(say=lambda _line: None)
        return self

    def start_web(self) -> None:
        """Start the web server as the article's is started."""
        environment = {
            "WEB_CONCURRENCY": str(WEB_PROCESSES),
            "WEB_THREADS": str(self.threads),
            "WEB_MAX_REQUESTS": "1000000",
            "DATABASE_POOL_MAX": str(self.pool),
            **self._metrics_folder("web"),
        }
        command = python(
            "-m", "gunicorn", "-c", "docker/gunicorn.conf.py", "--bind", f"127.0.0.1:{self.web_port}", "config.wsgi"
        )
        self._run("web", command, environment).wait_until(answers(f"{self.url}/ready"))

    def _run(self, name: str, command: list[str], environment: dict[str, str]) -> Process:
        return super()._run(name, command, self.environment | environment)

    def run(self, *arguments: str, **environment: str) -> str:
        """Run a command of the shop and return what it printed. Raises: StartFailed with its errors."""
        return run(arguments, self.environment | environment)

    def groups(self) -> dict[str, list[int]]:
        """Return the roots of the process groups, for CPU."""
        mine = {name: [process._child.pid] for name, process in self.processes.items() if process._child is not None}
        return mine | self.cluster.groups()

    def background(self) -> list[Process]:
        """Return the processes that work behind the requests."""
        return [process for name, process in self.processes.items() if name not in ("web", "sandbox")]

    @contextlib.contextmanager
    def paused(self, *names: str) -> Iterator[None]:
        """Freeze what works behind the requests (or the processes named) meanwhile."""
        processes = [self.processes[name] for name in names] if names else self.background()
        for process in processes:
            process._signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for process in processes:
                process._signal(signal.SIGCONT)

    def connect(self) -> psycopg.Connection[Any]:
        """Open a session of the bench's own."""
        return psycopg.connect(self.environment["DATABASE_URL"], autocommit=True, application_name="bench")

    @contextlib.contextmanager
    def watching(self) -> Iterator[psycopg.Connection[Any]]:
        """Open a session as `connect`, and add up what the server uses for it: to be watched costs the shop nothing."""
        with self.connect() as connection:
            try:
                yield connection
            finally:
                self.watched_seconds += cpu_seconds([connection.info.backend_pid])

    def open_work(self, connection: psycopg.Connection[Any], *, all_of_it: bool) -> dict[str, int]:
        """Return what is left to do; `all_of_it` also what only the books wait for."""
        asked = OPEN_WORK | ({name: f"SELECT {sql}" for name, sql in OPEN_TRACES.items()} if all_of_it else {})
        row = connection.execute("SELECT " + ", ".join(f"({sql})" for sql in asked.values())).fetchone()
        return {name: count for name, count in zip(asked, row, strict=True) if count}

    def wait_until_drained(self, *, seconds: float, all_of_it: bool = True) -> float:
        """Wait until nothing is left to do; return how long that took. Raises: StartFailed after so many seconds."""
        began = time.monotonic()
        with self.watching() as connection:
            while left := self.open_work(connection, all_of_it=all_of_it):
                if time.monotonic() - began > seconds:
                    raise StartFailed(f"not drained after {seconds:.0f} s: {left}\n{self.processes['web'].tail(5)}")
                self.check()
                time.sleep(0.03)
        return time.monotonic() - began

    def warm_up(self) -> None:
        """Have every thread open what it keeps open, and every session its plans: PostgreSQL makes one anew for the first five calls."""
        sessions = WEB_PROCESSES * self.threads
        generator.load(self, clients=sessions, seconds=20, most=12 * sessions)
        self.wait_until_drained(seconds=60)

    def audit(self) -> str:
        """Run the audit; return "" or what it found."""
        time.sleep(STILL_SECONDS)
        try:
            self.run("manage.py", "audit")
        except StartFailed as error:
            return str(error)
        return ""

    def stop(self) -> None:
        """End everything at once: what it leaves behind is deleted."""
        for process in reversed(self.processes.values()):
            process.kill()
        if self.uses_broker:
            with contextlib.suppress(StartFailed):
                self.run("-m", "tests.load.forget_queues")


class ArticleStack:
    """The article's shop: its web server and a sandbox that sends no webhooks, which it would not hear."""

    def __init__(self, cluster: Cluster, *, name: str, provider: str = "stripe", threads: int = WEB_THREADS,
                 pool: int | None = None) -> None:  # fmt: skip
        self.cluster, self.name, self.provider = cluster, name, provider
        self.home = cluster.home / name
        shutil.rmtree(self.home, ignore_errors=True)
        self.port, self.sandbox_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.tokens: list[str] = []
        self.processes: dict[str, Process] = {}
        self.environment = {
            "DJANGO_SETTINGS_MODULE": "tests.load.article.settings",
            "ARTICLE_DATABASE_URL": cluster.make_database(name),
            "ARTICLE_PAYMENT": provider,
            "STRIPE_API_BASE": f"http://127.0.0.1:{self.sandbox_port}",
            "WEB_CONCURRENCY": str(WEB_PROCESSES),
            "WEB_THREADS": str(threads),
            "WEB_MAX_REQUESTS": "1000000",
            "DATABASE_POOL_MAX": str(pool or threads + 2),
        }

    def start(self) -> Self:
        """Seed the database and start everything."""
        self.tokens = json.loads(run(("-m", "tests.load.article.seed"), self.environment))
        if self.provider == "stripe":
            sandbox = python(
                "-m", "local.stripe", "--port", str(self.sandbox_port), "--database", ":memory:",
                "--secret-key", SANDBOX_KEY, "--webhook-secret", SANDBOX_WEBHOOK_SECRET,
            )  # fmt: skip
            self._start("sandbox", sandbox, f"{self.environment['STRIPE_API_BASE']}/sandbox/health")
        serve = ("-m", "gunicorn", "-c", "docker/gunicorn.conf.py", "--bind", f"127.0.0.1:{self.port}")
        self._start("web", python(*serve, "tests.load.article.wsgi"), f"{self.url}/ready")
        return self

    def _start(self, name: str, command: list[str], url: str) -> None:
        process = Process(name, command, environment=self.environment, log=self.home / f"{name}.log")
        self.processes[name] = process
        process.start()
        process.wait_until(answers(url))

    def warm_up(self) -> None:
        """Have every thread open what it keeps open."""
        threads = int(self.environment["WEB_THREADS"])
        generator.load(self, clients=WEB_PROCESSES * threads, seconds=4, most=4 * threads)

    def groups(self) -> dict[str, list[int]]:
        """Return the roots of the process groups, for CPU."""
        mine = {name: [process._child.pid] for name, process in self.processes.items() if process._child is not None}
        return mine | {"postgres": self.cluster.groups()["postgres"]}

    def stop(self) -> None:
        """End its processes at once."""
        for process in reversed(self.processes.values()):
            process.kill()


def run(arguments: tuple[str, ...], environment: dict[str, str]) -> str:
    """Run Python with these arguments; return what it printed. Raises: StartFailed with its errors."""
    done = subprocess.run(
        python(*arguments),
        cwd=ROOT,
        env=os.environ | {"LOG_LEVEL": "WARNING"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise StartFailed(f"{' '.join(arguments)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}")
    return done.stdout
