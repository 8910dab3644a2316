"""One shop and one browser for all tests of the storefront; each test is a shopper of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from django.db import connection
from psycopg import sql

from local.processes import ROOT
from tests.browser.chromium import Chromium, Page, browser_here
from tests.browser.running import Shop

# What the environment of these tests says of other shops.
OTHERS = re.compile(
    r"PYTEST_|\w*DATABASE_URL$|BROKER_URL$|DJANGO_SETTINGS_MODULE$|STRIPE_|EMAIL_URL$|STOREFRONT|SHOP_ROLE$|PORT$"
)


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    program = browser_here()
    if program is None:
        assert not os.environ.get("CI"), "CI looks at the storefront in a browser, and there is none"
        pytest.skip("no Chromium here (Debian: apt-get install chromium-headless-shell)")
    browser = Chromium(program, tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.stop()


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory, django_db_setup: None, django_db_blocker: Any) -> Iterator[Shop]:
    """Run a shop on a database of its own, which ends with the last of its tests."""
    given = connection.settings_dict
    base = f"postgresql://{given['USER']}:{given['PASSWORD']}@{given['HOST'] or '127.0.0.1'}:{given['PORT'] or 5432}"
    name = f"storefront_{uuid.uuid4().hex[:8]}"
    home = tmp_path_factory.mktemp("shop")
    environment = {key: value for key, value in os.environ.items() if not OTHERS.match(key)}
    environment |= {"DATABASE_URL": f"{base}/{name}", "PYTHONUNBUFFERED": "1", "LOG_LEVEL": "WARNING"}
    with psycopg.connect(f"{base}/postgres", autocommit=True) as administrator:
        administrator.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            with (home / "told.log").open("w") as told, subprocess.Popen(
                [sys.executable, "-m", "tests.browser.shop", str(home)],
                cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=told, text=True,
            ) as running:  # fmt: skip
                assert running.stdout is not None
                assert running.stdin is not None
                url = running.stdout.readline().strip()
                assert url, (home / "told.log").read_text()
                yield Shop(url, home)
                running.stdin.close()
        finally:
            administrator.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def visit(chromium: Chromium, shop: Shop) -> Iterator[Callable[..., Page]]:
    """Return a function that opens a page of the shop for a new shopper; at the end nobody's browser has complained."""
    pages: list[Page] = []

    def opened(path: str = "/", **screen: Any) -> Page:
        pages.append(chromium.new_page(**screen))
        pages[-1].open(shop.url + path)
        return pages[-1]

    yield opened
    complaints = [complaint for page in pages for complaint in page.complaints()]
    for page in pages:
        page.close()
    assert complaints == []
