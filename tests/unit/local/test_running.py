"""What `make run` tells the commands of its checkout, and whom it does not concern."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from local import running
from local.processes import ROOT
from local.run import own_settings, where_mail_goes
from local.stack import Stack

DEVELOPMENT = {"DJANGO_SETTINGS_MODULE": "config.settings.development"}
SANDBOX = {"STRIPE_API_BASE": "http://127.0.0.1:23456"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "var" / "running.env"


def joined(file: Path, **environment: str) -> dict[str, str]:
    found = DEVELOPMENT | environment
    running.join(found, file=file)
    return {name: value for name, value in found.items() if (DEVELOPMENT | environment).get(name) != value}


def test_a_command_reaches_what_runs(file: Path):
    running.tell(SANDBOX | {"STOREFRONT_URL": "http://127.0.0.1:8001"}, file=file)

    assert joined(file) == SANDBOX | {"STOREFRONT_URL": "http://127.0.0.1:8001"}


def test_what_the_environment_names_is_not_overruled(file: Path):
    running.tell(SANDBOX, file=file)

    assert joined(file, STRIPE_API_BASE="http://127.0.0.1:1") == {}
    assert joined(file, STRIPE_API_KEY="sk_test_of_somebody") == {}, "a real key never goes to the sandbox"


@pytest.mark.parametrize(
    "environment", [{"SHOP_ROLE": "background"}, {"DJANGO_SETTINGS_MODULE": "config.settings.production"}]
)
def test_a_process_of_another_shop_is_left_alone(file: Path, environment: dict[str, str]):
    running.tell(SANDBOX, file=file)

    assert joined(file, **environment) == {}


def test_nothing_is_joined_that_has_ended_or_never_ran(file: Path):
    assert joined(file) == {}

    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    file.parent.mkdir(parents=True)
    file.write_text(f"RUNNING_PID={ended.pid}\nSTRIPE_API_BASE=http://127.0.0.1:23456\n")

    assert joined(file) == {}


def test_a_shop_that_stops_forgets_what_it_told_and_nothing_else(file: Path):
    running.tell(SANDBOX, file=file)
    running.forget(file=file)
    assert not file.exists()

    file.write_text(f"RUNNING_PID={os.getppid()}\n")
    running.forget(file=file)
    assert file.exists()


def test_links_in_mails_lead_to_where_the_shop_is_served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv("STOREFRONT_URL", raising=False)
    stack = Stack(home=tmp_path, web_port=8123, keeps_state=True)

    assert own_settings(stack)["STOREFRONT_URL"] == "http://127.0.0.1:8123"

    monkeypatch.setenv("STOREFRONT_URL", "https://shop.example")
    assert own_settings(stack)["STOREFRONT_URL"] == "https://shop.example"


@pytest.mark.parametrize(
    ("email_url", "told"),
    [
        (f"filemail:///{ROOT}/var/mail", "var/mail/"),
        ("filemail:///tmp/mails", "/tmp/mails/"),
        ("consolemail://", "in the logs"),
        ("smtp+tls://shop:secret@mail.example:587", "smtp+tls mail.example:587"),
        ("dummymail://", "dummymail"),
    ],
)
def test_start_tells_where_mails_go_and_no_password(email_url: str, told: str):
    assert where_mail_goes(email_url) == told


def test_a_command_of_a_checkout_reaches_the_shop_that_runs_in_it(tmp_path: Path):
    """A checkout of its own, so that the one of these tests may run a shop meanwhile."""
    shutil.copy(ROOT / "manage.py", tmp_path)
    for package in ("config", "local"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    file = tmp_path / "var" / "running.env"
    asked = [sys.executable, "manage.py", "shell", "--no-imports", "-c"]
    shown = "from django.conf import settings; print(settings.STRIPE_API_BASE)"
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "DATABASE_URL": "postgresql://shop:x@127.0.0.1:1/shop",
    }

    def told() -> str:
        done = subprocess.run(
            [*asked, shown], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    running.tell(SANDBOX, file=file)
    while_it_runs = told()
    running.forget(file=file)

    assert (while_it_runs, told()) == (SANDBOX["STRIPE_API_BASE"], "http://127.0.0.1:12111")
