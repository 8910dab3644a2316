"""`make run` as somebody has it: the greeting works as it stands, commands of another shell reach it, mails lead to it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import requests
from django.db import connection
from psycopg import sql

from local.ports import free_port
from local.processes import ROOT
from tests.driver.factories import OrderBodyFactory
from tests.driver.processes import PATIENCE_SECONDS

# What the environment of these tests says of other shops.
OTHERS = re.compile(
    r"PYTEST_|\w*DATABASE_URL$|BROKER_URL$|DJANGO_SETTINGS_MODULE$|STRIPE_|EMAIL_URL$|STOREFRONT_URL$|CI$"
)


@dataclass
class Checkout:
    """A checkout with a shop that runs in it, and a shell beside it."""

    folder: Path
    environment: dict[str, str]
    url: str

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Type `python manage.py ...`."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
        )


@pytest.fixture
def server() -> Iterator[str]:
    """Return the address of an empty database."""
    given = connection.settings_dict
    base = f"postgresql://{given['USER']}:{given['PASSWORD']}@{given['HOST'] or '127.0.0.1'}:{given['PORT'] or 5432}"
    name = f"make_run_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(f"{base}/postgres", autocommit=True) as administrator:
        administrator.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield f"{base}/{name}"
        finally:
            administrator.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def checkout(tmp_path: Path, server: str) -> Checkout:
    """Make a checkout of its own: one of the tree may run a shop meanwhile."""
    for path in ROOT.iterdir():
        if path.name in ("config", "local"):
            shutil.copytree(path, tmp_path / path.name, ignore=shutil.ignore_patterns("__pycache__"))
        elif path.name == "manage.py":
            shutil.copy(path, tmp_path)
        elif not path.name.startswith(".") and path.name not in ("var", "staticfiles", "tests"):
            (tmp_path / path.name).symlink_to(path)
    environment = {name: value for name, value in os.environ.items() if not OTHERS.match(name)}
    port = free_port()
    environment |= {"DATABASE_URL": server, "PORT": str(port), "PYTHONUNBUFFERED": "1"}
    return Checkout(tmp_path, environment, f"http://127.0.0.1:{port}")


@pytest.mark.timeout(400)
def test_commands_of_another_shell_work_while_make_run_runs(checkout: Checkout):
    with subprocess.Popen(
        [sys.executable, "-m", "local.run"],
        cwd=checkout.folder,
        env=checkout.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as running:
        told = running.stdout
        assert told is not None
        limit = threading.Timer(3 * PATIENCE_SECONDS, running.kill)
        limit.start()
        try:
            greeting = ""
            for line in told:
                greeting += line
                if line.startswith("Ctrl-C"):
                    break
            assert "Ctrl-C stops everything" in greeting, greeting
            number = order_of_the_greeting(checkout.url, greeting)

            story = checkout.manage("explain_order", number)
            audit = checkout.manage("audit")
            books = checkout.manage("reconcile_payments", "--hours", "1")
            signed_up = requests.post(
                f"{checkout.url}/_allauth/app/v1/auth/signup",
                json={"email": "new@shop.example", "password": "a-long-enough-one-1"},
                timeout=PATIENCE_SECONDS,
            )
        finally:
            running.send_signal(signal.SIGINT)
            told.read()
            ended = running.wait(PATIENCE_SECONDS)
            limit.cancel()

    assert (story.returncode, "it was confirmed" in story.stdout) == (0, True), story.stderr
    assert (audit.returncode, "0 violations" in audit.stdout) == (0, True), audit.stdout + audit.stderr
    assert (books.returncode, books.stdout.partition(",")[0]) == (0, "1 intents"), books.stderr
    assert signed_up.ok, signed_up.text
    mails = "".join(path.read_text() for path in (checkout.folder / "var" / "mail").iterdir())
    assert f"{checkout.url}/account/verify-email/" in mails
    assert (ended, (checkout.folder / "var" / "running.env").exists()) == (0, False)
    assert "the provider could not be asked" in checkout.manage("reconcile_payments").stderr


def order_of_the_greeting(url: str, greeting: str) -> str:
    """Place an order with the token of the greeting; return its number."""
    (token,) = re.findall(r"Authorization: Bearer (\S+)'", greeting)
    (sku,) = re.findall(r'"sku": "([^"]+)"', greeting)
    answer = requests.post(
        f"{url}/api/v1/orders",
        json=OrderBodyFactory(lines=[{"sku": sku, "quantity": 1}]),
        headers={"Authorization": f"Bearer {token}", "Idempotency-Key": str(uuid.uuid4())},
        timeout=PATIENCE_SECONDS,
    )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["number"])
