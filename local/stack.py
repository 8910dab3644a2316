"""The whole shop as processes on this machine: database, sandbox, web server, background work.

Without DATABASE_URL PostgreSQL comes from the wheel; with BROKER_URL the background work is Celery's, over RabbitMQ.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from local.postgres import EmbeddedPostgres
from local.processes import ROOT, Process, StartFailed, answers, free_port, python

SANDBOX_KEY = "sk_test_sandbox"
SANDBOX_WEBHOOK_SECRET = "whsec_sandbox"  # noqa: S105  shared with the sandbox, which is no secret
# What the adapter of payments acts on; it cannot be imported before Django is set up.
WEBHOOK_EVENTS = (
    "payment_intent.requires_action",
    "payment_intent.payment_failed",
    "payment_intent.amount_capturable_updated",
    "payment_intent.succeeded",
    "payment_intent.canceled",
    "charge.refunded",
    "charge.refund.updated",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
)


class Stack:
    """Starts and stops everything; what it started last is stopped first."""

    def __init__(
        self, *, home: Path, web_port: int | None = None, keeps_state: bool, settings: dict[str, str] | None = None
    ) -> None:
        self.home = home
        self.keeps_state = keeps_state
        self.web_port = web_port or free_port()
        self.sandbox_port = free_port()
        self.settings = settings or {}
        self.processes: dict[str, Process] = {}
        self.postgres: EmbeddedPostgres | None = None

    @property
    def url(self) -> str:
        """Where the web server answers."""
        return f"http://127.0.0.1:{self.web_port}"

    @property
    def sandbox_url(self) -> str:
        """Where the Stripe sandbox answers."""
        return f"http://127.0.0.1:{self.sandbox_port}"

    @property
    def uses_sandbox(self) -> bool:
        """Return whether payments go to the sandbox rather than to Stripe."""
        return not os.environ.get("STRIPE_API_KEY")

    @property
    def uses_broker(self) -> bool:
        """Return whether events go over RabbitMQ."""
        return bool(os.environ.get("BROKER_URL"))

    def start_database(self) -> None:
        """Have PostgreSQL running and named in this process's environment, for Django here and in the children."""
        os.environ.update(self.settings)
        if self.uses_sandbox:
            os.environ["STRIPE_API_BASE"] = self.sandbox_url
        if not os.environ.get("DATABASE_URL"):
            self.postgres = EmbeddedPostgres(durable=self.keeps_state)
            self.postgres.start()
            self.postgres.ensure_database("shop")
            os.environ["DATABASE_URL"] = self.postgres.url("shop")

    def start_services(self, *, say: Callable[[str], None]) -> None:
        """Start the sandbox, the web server and the background work; each answers before the next starts."""
        if self.uses_sandbox:
            self.start_sandbox()
            say(f"Stripe sandbox   {self.sandbox_url}")
        self.start_web()
        say(f"web server       {self.url}")
        self.start_background()
        say(
            "background work  "
            + ("Celery worker and beat over RabbitMQ" if self.uses_broker else "one process, inline")
        )

    def start_web(self) -> None:
        """Start the web server and wait until it is ready."""
        command = python(
            "-m", "gunicorn", "-c", "docker/gunicorn.conf.py", "--bind", f"127.0.0.1:{self.web_port}", "config.wsgi"
        )
        environment = {"WEB_CONCURRENCY": "1", "WEB_THREADS": "8", **self._metrics_folder("web")}
        self._run("web", command, environment).wait_until(answers(f"{self.url}/ready"))

    def start_background(self) -> None:
        """Start Celery's worker and beat, or the one process that does their work without a broker."""
        if self.uses_broker:
            self.start_worker()
            self.start_beat()
        else:
            self._run("background", python("manage.py", "run_background"), self._metrics_folder("background"))

    def start_worker(self) -> None:
        """Start Celery's worker, quiet as production has it (see docker/entrypoint.sh)."""
        quiet = ("--without-heartbeat", "--without-gossip", "--without-mingle")
        command = python("-m", "celery", "-A", "config", "worker", "--concurrency=2", "--loglevel=INFO", *quiet)
        self._run("worker", command, self._metrics_folder("worker"))

    def start_beat(self) -> None:
        """Start Celery's beat."""
        schedule = f"--schedule={self.home / 'celerybeat-schedule'}"
        self._run("beat", python("-m", "celery", "-A", "config", "beat", "--loglevel=INFO", schedule), {})

    def check(self) -> None:
        """Raise StartFailed if a process has ended on its own."""
        for process in self.processes.values():
            if not process.is_running():
                raise StartFailed(f"{process.name} ended on its own; the end of its log:\n{process.tail()}")

    def stop(self) -> None:
        """Stop everything that this stack started."""
        for process in reversed(self.processes.values()):
            process.stop()
        if self.postgres is not None:
            self.postgres.stop()

    def start_sandbox(self) -> None:
        """Start the Stripe sandbox and wait until it answers; with `keeps_state` its books outlive it."""
        database = str(self.home / "sandbox.sqlite3") if self.keeps_state else ":memory:"
        command = python(
            "-m", "local.stripe", "--port", str(self.sandbox_port), "--database", database,
            "--secret-key", SANDBOX_KEY, "--webhook-secret", SANDBOX_WEBHOOK_SECRET,
            "--webhook-url", f"{self.url}/webhooks/stripe", "--webhook-events", ",".join(WEBHOOK_EVENTS),
        )  # fmt: skip
        self._run("sandbox", command, {}).wait_until(answers(f"{self.sandbox_url}/sandbox/health"))

    def _run(self, name: str, command: list[str], environment: dict[str, str]) -> Process:
        environment = {"LOG_LEVEL": "INFO"} | environment
        process = Process(name, command, environment=environment, log=self.home / "log" / f"{name}.log")
        self.processes[name] = process
        process.start()
        return process

    def _metrics_folder(self, role: str) -> dict[str, str]:
        """Return an empty folder for the role's figures: a process that died leaves files that nobody else clears."""
        folder = self.home / "metrics" / role
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return {"PROMETHEUS_MULTIPROC_DIR": str(folder)}


def prepare_django() -> None:
    """Set Django up in this process, once the database is there, and bring the schema up to date."""
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.development")
    # This process talks to a person; the children log what they do to their files.
    os.environ["LOG_LEVEL"] = "WARNING"
    # It belongs to the shop that it starts, not to another that runs in this checkout.
    os.environ.setdefault("SHOP_ROLE", "stack")
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate_all", verbosity=0)
