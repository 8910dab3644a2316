"""The shop as processes on the test's own databases."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests
from django.db import connections

from local.processes import Process, answers, free_port, python
from tests.driver.factories import OrderBodyFactory
from tests.driver.provider import Provider

PATIENCE_SECONDS = 90.0


class Shop:
    """The processes of one shop on this test's databases."""

    def __init__(self, home: Path, provider: Provider, environment: dict[str, str]) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._home = home
        self._processes: list[Process] = []
        self._environment = {
            **database_urls(),
            "DJANGO_SETTINGS_MODULE": "config.settings.test",
            "STRIPE_API_BASE": provider.url,
            "STRIPE_TIMEOUT_SECONDS": "60",
            "SAGA_LEASE_SECONDS": "10",
            "LOG_FORMAT": "json",
            "LOG_LEVEL": "INFO",
        } | environment

    def run(self, name: str, *arguments: str, **environment: str) -> Process:
        log = self._home / f"{name}-{len(self._processes)}.log"
        process = Process(name, python(*arguments), environment=self._environment | environment, log=log)
        self._processes.append(process)
        process.start()
        return process

    def start_web(self, *, threads: int = 6, workers: int = 2) -> Process:
        web = self.run(
            "web", "-m", "gunicorn", "-c", "docker/gunicorn.conf.py", "--bind", f"127.0.0.1:{self.port}", "config.wsgi",
            WEB_CONCURRENCY=str(workers), WEB_THREADS=str(threads),
        )  # fmt: skip
        web.wait_until(answers(f"{self.url}/ready"), seconds=PATIENCE_SECONDS)
        return web

    def place(self, token: str, **body: Any) -> requests.Response:
        """POST an order over a connection of its own; one that breaks says what the processes logged."""
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": str(uuid.uuid4())}
        try:
            return requests.post(
                f"{self.url}/api/v1/orders", json=OrderBodyFactory(**body), headers=headers, timeout=100
            )
        except requests.ConnectionError as error:
            error.add_note(self.tails())
            raise

    def order(self, token: str, order_id: uuid.UUID) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {token}"}
        found: dict[str, Any] = requests.get(f"{self.url}/api/v1/orders/{order_id}", headers=headers, timeout=60).json()
        return found

    def tails(self) -> str:
        return "\n".join(f"--- {process.name}\n{process.tail()}" for process in self._processes)

    def stop(self) -> None:
        for process in reversed(self._processes):
            process.stop()


def database_urls() -> dict[str, str]:
    """Return the variables that lead another process to the databases of this test."""
    urls = {}
    for alias in connections:
        where = connections[alias].settings_dict
        name = "DATABASE_URL" if alias == "default" else f"{alias.upper()}_DATABASE_URL"
        secret = f":{where['PASSWORD']}" if where["PASSWORD"] else ""
        urls[name] = f"postgres://{where['USER']}{secret}@{where['HOST']}:{where['PORT']}/{where['NAME']}"
    return urls


def wait_until(ask: Callable[[], Any], what: str, shop: Shop) -> Any:
    """Ask until the answer is true, for as long as a busy machine may take."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"it did not come about that {what}\n{shop.tails()}"
        time.sleep(0.05)
    return answer
