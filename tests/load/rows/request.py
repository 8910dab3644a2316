"""The request alone: what POST does until it answers, the workers frozen."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import requests

from tests.load import generator
from tests.load.bench import DRAIN_SECONDS, Bench
from tests.load.result import BARS, Row, middle, ratio
from tests.load.stack import ShopStack
from tests.load.statements import Statement

SAMPLES = 5
# What the relay beside the request sends: it reads and marks outboxes, to which a request only adds.
RELAY = re.compile(r"relay|(FROM|UPDATE)\s+\"?[\w.]*outbox", re.IGNORECASE)


def request8(bench: Bench) -> list[Row]:
    """Requests a second at eight clients; statements and writing commits of one at a time."""
    article, shop = bench.duel(clients=8, workers_paused=True)
    found = {"shop": shop.to_json(), "article": article.to_json()}
    statements, commits, listing = _count(bench)
    return [
        Row(BARS["request8"], ratio(shop.rate, article.rate), found),
        Row(BARS["request_statements"], statements, {"listing": listing}),
        Row(BARS["request_commits"], commits),
    ]


def _count(bench: Bench) -> tuple[float, float, list[str]]:
    """Return the medians of what one request sends, and the last one's statements; no webhook comes in meanwhile."""
    shop = bench.shop()
    statements, commits, listing = [], [], []
    with bench.cluster.statements_logged() as log:
        for _sample in range(SAMPLES):
            with shop.paused(), _webhooks_paused(shop):
                time.sleep(0.3)  # what relays had under way
                log.statements(shop.database)
                generator.load(shop, clients=1, seconds=5, most=1)
                of_request = [each for unit in _units(log.statements(shop.database)) for each in unit]
            shop.wait_until_drained(seconds=DRAIN_SECONDS)
            statements.append(len(of_request))
            commits.append(_writing(of_request))
            listing = [each.text[:160] for each in of_request]
    return middle(statements), middle(commits), listing


@contextmanager
def _webhooks_paused(shop: ShopStack) -> Iterator[None]:
    url = f"{shop.sandbox_url}/sandbox/webhooks"
    requests.post(url, json={"paused": True}, timeout=5).raise_for_status()
    try:
        yield
    finally:
        requests.post(url, json={"paused": False}, timeout=5).raise_for_status()


def _units(sent: list[Statement]) -> list[list[Statement]]:
    """Return what the web processes sent, by transaction, those of the relay left out."""
    open_units: dict[str, list[Statement]] = {}
    units = []
    for each in sent:
        if each.application != "shop-web":
            continue
        if each.text.upper().startswith("BEGIN"):
            open_units[each.session] = [each]
        elif each.session in open_units:
            open_units[each.session].append(each)
            if each.text.upper() in ("COMMIT", "ROLLBACK"):
                units.append(open_units.pop(each.session))
        else:
            units.append([each])
    return [unit for unit in units if not any(RELAY.search(each.text) for each in unit)]


def _writing(statements: list[Statement]) -> int:
    """Return how many transactions write or lock rows."""
    count, inside, writes = 0, False, False
    for each in statements:
        text = each.text.upper()
        if text.startswith("BEGIN"):
            inside, writes = True, False
        elif text in ("COMMIT", "ROLLBACK"):
            count, inside = count + (writes and text == "COMMIT"), False
        else:
            writing = any(word in text for word in ("INSERT ", "UPDATE ", "DELETE "))
            writes = writing or (inside and writes)
            count += writing and not inside
    return count
