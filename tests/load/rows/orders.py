"""Orders from POST until they are confirmed, mailed and booked: the shop beside the article."""

from __future__ import annotations

from tests.load.bench import Bench, Side
from tests.load.result import BARS, Row, middle, ratio


def cpu(bench: Bench) -> list[Row]:
    """CPU of all processes but the sandbox, one client."""
    article, shop = bench.duel(clients=1)
    return [Row(BARS["cpu"], ratio(shop.cpu(), article.cpu()), _both(article, shop))]


def rate8(bench: Bench) -> list[Row]:
    """Orders a second, eight clients."""
    article, shop = bench.duel(clients=8)
    return [Row(BARS["rate8"], ratio(shop.rate, article.rate), _both(article, shop))]


def rate64(bench: Bench) -> list[Row]:
    """Orders a second and p99, sixty-four clients."""
    article, shop = bench.duel(clients=64)
    p99 = ratio(middle(shop.p99), middle(article.p99))
    return [
        Row(BARS["rate64"], ratio(shop.rate, article.rate), _both(article, shop)),
        Row(BARS["p99_64"], p99, _both(article, shop)),
    ]


def hot64(bench: Bench) -> list[Row]:
    """Orders a second on one SKU."""
    article, shop = bench.duel(clients=64, hot=True)
    return [Row(BARS["hot64"], ratio(shop.rate, article.rate), _both(article, shop))]


def own_spread(bench: Bench) -> list[Row]:
    """The shop's own cost: both with a provider that costs nothing."""
    article, shop = bench.duel(clients=64, provider="free")
    return [Row(BARS["own_spread"], ratio(shop.rate, article.rate), _both(article, shop))]


def own_hot(bench: Bench) -> list[Row]:
    """The same on one SKU."""
    article, shop = bench.duel(clients=64, provider="free", hot=True)
    return [Row(BARS["own_hot"], ratio(shop.rate, article.rate), _both(article, shop))]


def _both(article: Side, shop: Side) -> dict[str, object]:
    return {
        "cpu_ms_an_order": {"shop": round(shop.cpu(), 1), "article": round(article.cpu(), 1)},
        "shop": shop.to_json(),
        "article": article.to_json(),
    }
