"""The part of `make check` that needs Django: migrations, deployment settings, the descriptions of API and events.

Runs each check as a new user would, prints one line for each, and the whole output of one that fails.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

from local.postgres import EmbeddedPostgres
from local.processes import ROOT, python

# Each committed description, and the command that makes it anew.
SCHEMAS = {"docs/openapi.yaml": "spectacular", "docs/asyncapi.yaml": "asyncapi"}
# Values that look like production's; nothing here is a secret or an address.
PRODUCTION = {
    "DJANGO_SETTINGS_MODULE": "config.settings.production",
    "SECRET_KEY": "check-only-" + "".join(chr(33 + n % 90) for n in range(60)),
    "ALLOWED_HOSTS": "shop.example",
    "BROKER_URL": "amqp://127.0.0.1:5672//",
    "STRIPE_API_KEY": "sk_test_check",
    "STRIPE_WEBHOOK_SECRETS": "whsec_check",
    "INSTALLATION_NAME": "check",
    "EMAIL_URL": "dummymail://",
}
TEST = {"DJANGO_SETTINGS_MODULE": "config.settings.test"}


def main() -> int:
    """Run the checks; 0 if all hold."""
    server = None
    if not os.environ.get("DATABASE_URL"):
        server = EmbeddedPostgres(durable=False)
        server.start()
        os.environ["DATABASE_URL"] = server.url("postgres")
    try:
        held = [
            _check("models and migrations agree", TEST, "makemigrations", "--check", "--dry-run"),
            _check("the deployment settings are safe", PRODUCTION, "check", "--deploy", "--fail-level", "WARNING"),
            _check(
                "the API description is valid",
                TEST,
                "spectacular",
                "--validate",
                "--fail-on-warn",
                "--file",
                os.devnull,
            ),
            *(_check_schema_is_current(*schema) for schema in SCHEMAS.items()),
        ]
    finally:
        if server is not None:
            server.stop()
    return 0 if all(held) else 1


def _manage(settings: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603  our own commands
        python("-W", "error::DeprecationWarning:config", "manage.py", *arguments),
        cwd=ROOT,
        env=os.environ | dict(settings),
        capture_output=True,
        text=True,
        check=False,
    )


def _check(what: str, settings: Mapping[str, str], *arguments: str) -> bool:
    result = _manage(settings, *arguments)
    return _told(what, result.returncode == 0, result.stdout + result.stderr)


def _check_schema_is_current(path: str, command: str) -> bool:
    result = _manage(TEST, command)
    committed = (ROOT / path).read_text() if (ROOT / path).exists() else ""
    return _told(
        f"{path} is what the code describes",
        result.returncode == 0 and result.stdout == committed,
        f"{result.stderr}\nrun `make schema`, look at the difference, and commit it",
    )


def _told(what: str, held: bool, output: str) -> bool:
    sys.stdout.write(f"ok     {what}\n" if held else f"FAILED {what}\n{output}\n")
    sys.stdout.flush()
    return held


if __name__ == "__main__":
    sys.exit(main())
