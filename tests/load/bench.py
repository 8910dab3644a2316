"""What the rows share: the cluster, the stacks that they ask for, and duels of the shop with the article."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Self

from tests.load import generator
from tests.load.machine import CpuMeter
from tests.load.result import middle, ratio
from tests.load.spans import SpanCounter
from tests.load.stack import HOME, ArticleStack, Cluster, ShopStack

DRAIN_SECONDS = 180.0
# Shown, and no part of what an order costs: the stand-in for the provider, and the customers.
NOT_COUNTED = ("sandbox", "generator")


@dataclass
class Side:
    """What one side did in its turns of a duel."""

    rates: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    waits_p99: list[float] = field(default_factory=list)
    cpu_ms: list[dict[str, float]] = field(default_factory=list)
    drain_seconds: list[float] = field(default_factory=list)
    backlog: list[dict[str, int]] = field(default_factory=list)
    others: list[float] = field(default_factory=list)
    answers: dict[str, int] = field(default_factory=dict)
    samples: dict[int, str] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Orders a second, the median of the turns."""
        return middle(self.rates)

    def cpu(self) -> float:
        """Milliseconds of CPU an order, the median of the turns."""
        return middle([sum(ms for group, ms in turn.items() if group not in NOT_COUNTED) for turn in self.cpu_ms])

    def to_json(self) -> dict[str, Any]:
        """Return the medians for var/bench.json."""
        groups = sorted({group for turn in self.cpu_ms for group in turn})
        return {
            "per_second": round(self.rate, 2),
            "p50_ms": round(1000 * middle(self.p50), 1),
            "p99_ms": round(1000 * middle(self.p99), 1),
            "p99_ms_with_refusals": round(1000 * middle(self.waits_p99), 1),
            "cpu_ms_an_order": {
                group: round(middle([turn.get(group, 0.0) for turn in self.cpu_ms]), 2) for group in groups
            },
            "drain_seconds": [round(each, 2) for each in self.drain_seconds],
            "backlog_when_the_load_ended": self.backlog,
            "others_share_of_the_machine": [round(each, 2) for each in self.others],
            "answers": self.answers,
            **({"refused": self.samples} if self.samples else {}),
        }


class Bench:
    """Starts what is asked for, one shop at a time, and ends everything with itself."""

    def __init__(self, *, home=HOME) -> None:
        self.cluster = Cluster(home=home)
        self.spans = SpanCounter()
        self._exits = ExitStack()
        self._articles: dict[str, ArticleStack] = {}
        self._shops: dict[str, ShopStack] = {}
        self._duels: dict[tuple[Any, ...], tuple[Side, Side]] = {}

    def __enter__(self) -> Self:
        self._exits.enter_context(self.cluster)
        self._exits.enter_context(self.spans)
        return self

    def __exit__(self, *exception: object) -> None:
        self._exits.close()

    def say(self, text: str) -> None:
        """Tell whoever waits what goes on."""
        sys.stdout.write(f"  {text}\n")
        sys.stdout.flush()

    @property
    def seen(self) -> dict[str, Any]:
        """What a shop here is seen with: traces as production samples them, sent to a collector that counts them."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.spans.url}

    def article(self, provider: str = "stripe") -> ArticleStack:
        """Return the article's shop, running."""
        if provider not in self._articles:
            made = self._articles[provider] = ArticleStack(self.cluster, name=f"article_{provider}", provider=provider)
            self._exits.callback(made.stop)
            made.start()
            made.warm_up()
        return self._articles[provider]

    def shop(self, provider: str = "stripe") -> ShopStack:
        """Return the shop, running, and no other beside it."""
        if provider not in self._shops:
            self.leave()
            made = ShopStack(self.cluster, name=f"shop_{provider}", provider=provider, **self.seen)
            self.add(provider, made)
            made.start()
            made.warm_up()
        return self._shops[provider]

    def add(self, name: str, shop: ShopStack) -> None:
        """Take care of a shop: audit it after its row, and end it."""
        self._shops[name] = shop
        self._exits.callback(shop.stop)

    def leave(self) -> None:
        """Stop every shop that runs: an idle one costs too."""
        for shop in self._shops.values():
            shop.stop()
        self._shops.clear()
        self._duels.clear()

    def forget(self, name: str) -> None:
        """End a shop without an audit."""
        self._shops.pop(name).stop()

    def give_up(self) -> None:
        """End every stack after a scenario that failed: the next begins anew."""
        self.leave()
        for article in self._articles.values():
            article.stop()
        self._articles.clear()
        self._duels.clear()

    def audit(self) -> str:
        """Audit the shop that runs; return "" or what is broken."""
        return "".join(shop.audit() for shop in self._shops.values())

    def duel(self, *, clients: int, hot: bool = False, provider: str = "stripe", seconds: float = 7.0,
             turns: int = 2, lines: int = 1, workers_paused: bool = False) -> tuple[Side, Side]:  # fmt: skip
        """Have the article and the shop take orders in turns; return the two, from memory where it was done before."""
        key = (clients, hot, provider, seconds, turns, lines, workers_paused)
        if key not in self._duels:
            article, shop = self.article(provider), self.shop(provider)
            sides = Side(), Side()
            for _turn in range(turns):
                with shop.paused():
                    self.turn(article, sides[0], clients=clients, hot=hot, seconds=seconds, lines=lines)
                if workers_paused:
                    with shop.paused():
                        self.turn(shop, sides[1], clients=clients, hot=hot, seconds=seconds, lines=lines, drain=False)
                    shop.wait_until_drained(seconds=DRAIN_SECONDS)
                else:
                    self.turn(shop, sides[1], clients=clients, hot=hot, seconds=seconds, lines=lines)
                self.say(
                    "   ".join(f"{name} {_told(side)}" for name, side in zip(("article", "shop"), sides, strict=True))
                )
            self._duels[key] = sides
        return self._duels[key]

    def turn(self, stack: ArticleStack | ShopStack, side: Side, *, clients: int, hot: bool = False, seconds: float,
             lines: int = 1, drain: bool = True) -> None:  # fmt: skip
        """Load one side, wait until its work is done, and note what that took."""
        meter = CpuMeter(stack.groups())
        watched = stack.watched_seconds if isinstance(stack, ShopStack) else 0.0
        outcome = generator.load(stack, clients=clients, seconds=seconds, hot=hot, lines=lines)
        drained = 0.0
        if isinstance(stack, ShopStack):
            with stack.watching() as connection:
                side.backlog.append(stack.open_work(connection, all_of_it=True))
            if drain:
                # What customers wait for counts for the rate, what only the books wait for still for the CPU.
                drained = stack.wait_until_drained(seconds=DRAIN_SECONDS, all_of_it=False)
                stack.wait_until_drained(seconds=DRAIN_SECONDS)
                side.drain_seconds.append(drained)
        used, others = meter.stop()
        if isinstance(stack, ShopStack):
            used["postgres"] -= stack.watched_seconds - watched
        orders = outcome.done()
        side.rates.append(ratio(orders, outcome.seconds + drained))
        side.p50.append(outcome.percentile(0.5))
        side.p99.append(outcome.percentile(0.99))
        side.waits_p99.append(generator.percentile(outcome.waits, 0.99))
        side.cpu_ms.append({group: ratio(1000 * seconds_used, orders) for group, seconds_used in used.items()})
        side.others.append(others)
        side.samples |= outcome.samples
        for status, count in outcome.statuses.items():
            side.answers[str(status)] = side.answers.get(str(status), 0) + count


def _told(side: Side) -> str:
    """Return the last turn in a few words; others' share says how far it can be trusted."""
    cpu = sum(ms for group, ms in side.cpu_ms[-1].items() if group not in NOT_COUNTED)
    return f"{side.rates[-1]:6.1f} orders/s at {cpu:5.1f} ms CPU (others had {side.others[-1]:3.0%} of the machine)"
