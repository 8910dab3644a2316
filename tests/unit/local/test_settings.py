"""What a shop on one's own machine is set to, where the environment names nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from local.postgres import UNKNOWN_PORT, embedded_url
from local.processes import ROOT

PRODUCTION = {
    "SECRET_KEY": "x" * 60,
    "ALLOWED_HOSTS": "shop.example",
    "DATABASE_URL": "postgresql://shop:x@127.0.0.1:1/shop",
    "BROKER_URL": "amqp://127.0.0.1:1//",
    "STRIPE_API_KEY": "sk_test_x",
    "STRIPE_WEBHOOK_SECRETS": "whsec_x",
    "INSTALLATION_NAME": "shop",
    "EMAIL_URL": "dummymail://",
}
# Everything that a process of the shop imports: settings, apps, addresses, tasks.
STARTED = """
import json, sys, django
django.setup()
import config.asgi, config.celery, config.command_line, config.urls, config.wsgi
from django.conf import settings
from shipping import gateways
config.celery.app.finalize()
told = {
    "modules": sorted(name for name in sys.modules if name == "local" or name.startswith("local.")),
    "carriers": sorted(gateways.CARRIERS),
    "models": sorted(model._meta.label for model in django.apps.apps.get_models()),
}
print(json.dumps(told))
"""


def started(settings: str, **environment: str) -> dict[str, list[str]]:
    """Start the shop with these settings and return what it knows."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", STARTED],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": settings, **PRODUCTION, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_production_knows_nothing_of_what_stands_in_for_the_world():
    found = started("config.settings.production")

    assert found["modules"] == []
    assert found["carriers"] == ["manual"]
    assert [label for label in found["models"] if "sandbox" in label.lower()] == []


@pytest.mark.parametrize("settings", ["config.settings.development", "local.deployed"])
def test_a_shop_on_ones_own_machine_has_the_sandbox_carrier(settings: str):
    found = started(settings)

    assert found["carriers"] == ["manual", "sandbox"]
    assert "carrier.SandboxBooking" in found["models"]


def test_only_a_checkout_has_the_command_that_makes_users_with_known_passwords():
    def commands(settings: str) -> str:
        return subprocess.run(
            [sys.executable, "manage.py", "help", "--commands"],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": settings, **PRODUCTION},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    assert "seed_demo" in commands("config.settings.development")
    assert "seed_demo" not in commands("local.deployed")
    assert "seed_demo" not in commands("config.settings.production")


def test_a_command_that_finds_no_database_says_how_a_checkout_starts_one(tmp_path: Path):
    def said(**environment: str) -> str:
        return subprocess.run(
            [sys.executable, "manage.py", "release_expired_reservations"],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "EMBEDDED_POSTGRES_DIR": str(tmp_path / "none"), **environment},
            capture_output=True,
            text=True,
            check=False,
        ).stderr

    assert "`python -m local start`" in said()
    assert "Is DATABASE_URL right" in said(DATABASE_URL="postgresql://shop:x@127.0.0.1:1/shop")


def test_the_remembered_embedded_cluster_is_named(tmp_path: Path):
    (tmp_path / "port").write_text("23456\n")
    (tmp_path / "password").write_text("pw")

    assert embedded_url({"EMBEDDED_POSTGRES_DIR": str(tmp_path)}) == "postgresql://postgres:pw@127.0.0.1:23456/shop"


def test_without_a_cluster_nothing_is_created(tmp_path: Path):
    url = embedded_url({"EMBEDDED_POSTGRES_DIR": str(tmp_path / "none")})

    assert f":{UNKNOWN_PORT}/" in url
    assert list(tmp_path.iterdir()) == []
