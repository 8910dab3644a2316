"""The audit with a database per context while one of them is away: the others are judged, and what nobody answers is named."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connections

from local.ports import free_port
from local.processes import ROOT, python
from shop.contexts import CONTEXTS
from tests.driver.provider import Provider
from tests.driver.shopper import Shopper, id_in
from tests.driver.tables import execute

pytestmark = pytest.mark.skipif(
    os.environ.get("TEST_DATABASES") != "five", reason="without its one database the audit can judge nothing"
)
# What the contexts judge by what lies in the shop's own schema.
OF_THE_SHOP = {"each kept answer names its key's order", "every published fact was heard by its subscribers"}


def audit_of_a_process(*, away: str) -> tuple[int, list[dict[str, Any]]]:
    """Run `manage.py audit --json` where nobody listens at one database's address; return its exit code and its lines."""
    urls = {}
    for alias in connections:
        server, _slash, _name = os.environ["DATABASE_URL"].rpartition("/")
        if alias == away:
            server = f"postgresql://shop:shop@127.0.0.1:{free_port()}"
        name = "DATABASE_URL" if alias == "default" else f"{alias.upper()}_DATABASE_URL"
        urls[name] = f"{server}/{connections[alias].settings_dict['NAME']}"
    done = subprocess.run(
        python("manage.py", "audit", "--json"),
        cwd=ROOT,
        env=os.environ | urls | {"STRIPE_API_BASE": settings.STRIPE_API_BASE},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def audit(*, away: str) -> tuple[int, list[dict[str, Any]]]:
    """Run the same command in this process, once its connection to that database is closed."""
    printed, code = StringIO(), 0
    connections[away].close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(connections[away].settings_dict, "PORT", str(free_port()))
        try:
            call_command("audit", "--json", stdout=printed)
        except CommandError as error:
            code = error.returncode
        connections[away].close()
    return code, [json.loads(line) for line in printed.getvalue().splitlines()]


@pytest.fixture
def order_id(sandbox: Provider, shopper: Shopper, drain: Callable[[], None]) -> str:
    order_id = id_in(shopper.place())
    drain()
    return str(order_id)


def checks_of(lines: list[dict[str, Any]], context: str) -> dict[str, str]:
    """Return the checks of a context by title, with why they could not be made."""
    return {line["title"]: line["unasked"] for line in lines if line.get("context") == context and "title" in line}


def test_contexts_that_answer_are_judged_while_the_default_database_is_away(order_id: str):
    code, lines = audit_of_a_process(away="default")

    assert code == 3, lines
    assert [line for line in lines if "violation" in line] == []
    assert all("could not be asked" in why for why in checks_of(lines, "shop").values())
    for context in CONTEXTS:
        unasked = {title for title, why in checks_of(lines, context).items() if why}
        assert unasked == OF_THE_SHOP & {*checks_of(lines, context)}, context


def test_violation_is_named_while_the_default_database_is_away(order_id: str):
    execute("inventory", "UPDATE inventory_stock SET version = 99")

    code, lines = audit_of_a_process(away="default")

    assert code == 1
    assert {(line["violation"], line["context"]) for line in lines if "violation" in line} == {("I1", "inventory")}
    assert lines[-1]["unasked"] > 0


@pytest.mark.parametrize("away", CONTEXTS)
def test_others_are_judged_by_themselves_while_a_context_is_away(order_id: str, away: str):
    code, lines = audit(away=away)

    assert code == 3, lines
    assert [line for line in lines if "violation" in line] == []
    assert all(checks_of(lines, away).values())
    for context in {*CONTEXTS} - {away}:
        made = {title for title, why in checks_of(lines, context).items() if not why}
        assert "no fact is claimed for longer than a claim lasts" in made, context
