"""`inventory.api.reserve_stock` beside the article's reservation, sixty-four threads of one process each; holds that end."""

from __future__ import annotations

import json

from tests.load.bench import Bench
from tests.load.result import BARS, Row, middle, no_result, ratio
from tests.load.stack import run

TURNS = 3
SECONDS = 5.0
HOLDS = 20_000


def reserve_hot(bench: Bench) -> list[Row]:
    """One SKU."""
    return _reserve(bench, "hot")


def reserve_spread(bench: Bench) -> list[Row]:
    """Two hundred SKUs."""
    return _reserve(bench, "spread")


def expiry(bench: Bench) -> list[Row]:
    """How long one worker process takes to expire twenty thousand holds that end together."""
    bench.leave()
    shop = _shop_alone(bench) | {"RESERVATION_TTL_SECONDS": "1"}
    told = json.loads(run(("-m", "tests.load.reserving", "expire", "spread", str(HOLDS)), shop))
    bench.say(f"{told['expired']} holds expired in {told['seconds']} s")
    broken = run(("-m", "tests.load.reserving", "check", "spread", "0"), shop).strip()
    if broken or told["expired"] != HOLDS:
        return no_result(["expiry"], broken or f"{told['expired']} of {HOLDS} expired")
    return [Row(BARS["expiry"], told["seconds"], told)]


def _reserve(bench: Bench, where: str) -> list[Row]:
    bench.leave()
    article, shop = bench.article().environment, _shop_alone(bench)
    rates: dict[str, list[float]] = {"article": [], "shop": []}
    details: dict[str, list[dict[str, object]]] = {"article": [], "shop": []}
    for _turn in range(TURNS):
        for side, environment in (("article", article), ("shop", shop)):
            told = json.loads(run(("-m", "tests.load.reserving", side, where, str(SECONDS)), environment))
            rates[side].append(told["per_second"])
            details[side].append(told)
        bench.say(f"article {rates['article'][-1]:7.0f} reservations/s   shop {rates['shop'][-1]:7.0f}")
    name = f"reserve_{where}"
    if broken := run(("-m", "tests.load.reserving", "check", where, "0"), shop).strip():
        return no_result([name], broken)
    return [Row(BARS[name], ratio(middle(rates["shop"]), middle(rates["article"])), details)]


def _shop_alone(bench: Bench) -> dict[str, str]:
    """Return the environment of a shop without processes on a database of its own: no order stands for what is reserved.

    Nothing relays: what that costs is in rows of its own.
    """
    environment = {
        "DJANGO_SETTINGS_MODULE": "tests.load.settings",
        "DATABASE_URL": bench.cluster.make_database("shop_reserve"),
        "BROKER_URL": "",
        "EVENTS_WAKE_IN_PROCESS": "False",
    }
    run(("-m", "tests.load.seed"), environment)
    return environment
