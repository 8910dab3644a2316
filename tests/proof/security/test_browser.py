"""The pages in a real browser, under their policies: it reports whatever it was kept from, and the pages do their work."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.handlers.wsgi import WSGIHandler
from django.db import connections

from shop.rest import policies
from tests.proof.security.people import People

BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
pytestmark = pytest.mark.browser


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def site(people: People) -> Iterator[str]:
    """Serve the shop to a browser that is signed in as staff: the server gives each request the session's cookie."""
    session = people.browsers["staff with permission"].cookies["sessionid"].value
    # Not get_wsgi_application(): it sets Django up again, and the loggers that exist no longer hear of the new set-up.
    shop = StaticFilesHandler(WSGIHandler())

    def signed_in(environ: dict[str, Any], start_response: Any) -> Any:
        if environ["PATH_INFO"].startswith("/admin/"):
            environ["HTTP_COOKIE"] = f"sessionid={session}"
        return shop(environ, start_response)

    server = make_server("127.0.0.1", 0, signed_in, handler_class=_Quiet)

    def serve() -> None:
        try:
            server.serve_forever()
        finally:
            connections.close_all()

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def open_in_browser(url: str, home: Path) -> tuple[str, str]:
    """Return the page as it stands once its scripts have run, and what the browser complained about."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        pytest.skip("no Chromium here (Debian: apt-get install chromium-headless-shell)")
    done = subprocess.run(
        [
            *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=10000", "--dump-dom"),
            *("--enable-logging=stderr", "--v=0", f"--user-data-dir={home}", url),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    return done.stdout, done.stderr


def complaints(log: str) -> list[str]:
    """Return what a policy has stopped, and the scripts that failed for it."""
    return re.findall(r".*(?:Content Security Policy|Refused to|EvalError|Uncaught).*", log)


@pytest.mark.parametrize(
    ("path", "shows"),
    [
        ("/admin/", "Shop operations"),
        ("/admin/orders/order/", "result_list"),
        ("/admin/inventory/product/", "result_list"),
        ("/problems/", "insufficient_stock"),
        # Written by its script, once that has read the description.
        ("/api/v1/docs", "operations-orders-place_order"),
    ],
)
def test_a_page_does_its_work_under_its_policy(path: str, shows: str, site: str, tmp_path: Path):
    page, log = open_in_browser(site + path, tmp_path)

    assert complaints(log) == []
    assert shows in page
    # Alpine takes it off what it has begun to work on.
    assert "x-cloak" not in page


def test_a_policy_that_a_page_cannot_work_under_is_noticed(site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(policies, "ADMIN", policies.PAGE)

    _page, log = open_in_browser(f"{site}/admin/", tmp_path)

    assert complaints(log)
