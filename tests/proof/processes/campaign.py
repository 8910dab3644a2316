"""A campaign: rounds of load, each met by one fault, each judged; the schedule follows from the seed."""

from __future__ import annotations

import random
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from tests.proof.processes.books import count_of_orders, read_books, shipment_of, unfinished, unknown_payments
from tests.proof.processes.checker import judge
from tests.proof.processes.faults import FAULTS, MAKING_UNKNOWN, Fault, heal
from tests.proof.processes.load import Client, Load, keep_log
from tests.proof.processes.purchases import Purchase, plan
from tests.proof.processes.shop import ChaosShop, wait_until

# What takes longer than this counts as not recovered.
GIVEN_UP_SECONDS: Final = 180.0
# The fault comes when so much of a round's load has begun.
BEGINS_AT: Final = 0.4
# Of so many orders, and so many in each round, some are bound to be confirmed while the provider's answers are lost.
ENOUGH_FOR_UNKNOWN, ENOUGH_IN_ROUND = 40, 10
AUDIT_COUNTS_AS_STILL_SECONDS: Final = 5
# After each look at the books the judge rests for so many times as long.
JUDGE_RESTS: Final = 4


@dataclass
class Recovery:
    """How long it took until all was well again after one fault."""

    history: str
    fault: Fault
    seconds: float
    # What came last: the shop was well once this was done.
    last: str

    @property
    def is_late(self) -> bool:
        return self.seconds > self.fault.well_within_seconds


@dataclass
class Campaign:
    """What was done to one shop, and what came of it."""

    shop: ChaosShop
    seed: int
    clients: int
    purchases: list[Purchase] = field(default_factory=list)
    recoveries: list[Recovery] = field(default_factory=list)
    violations: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    rounds: int = 0
    _well_at: float = 0.0
    _last: str = ""

    def round(self, fault: Fault, *, orders: int) -> None:
        """Load the shop, do it the fault, and judge what is there once all is well again."""
        self.rounds += 1
        history = f"round {self.rounds} ({fault.name}), SEED={self.seed}"
        chance = random.Random(f"{self.seed} {self.rounds} {fault.name}")
        wishes = plan(
            seed=f"{self.seed} {self.rounds}", customers=list(self.shop.tokens), count=orders, history=history
        )
        self.purchases += wishes
        load = Load(self.shop, wishes, clients=self.clients)
        load.start()
        try:
            counts_from, ended_at = self._hurt(fault, chance, load, int(orders * BEGINS_AT), history)
            self._recover(fault, history, counts_from, ended_at)
        finally:
            heal(self.shop)
            load.join()
        self.violations[fault.name] += load.troubles
        self.violations[fault.name] += [f"{history}: {ended}" for ended in self.shop.dead()]
        rested_at = self._rest(fault.name, history)
        keep_log(wishes, self.shop.home / "clients.jsonl")
        self._judge(fault.name, rested_at)
        self._tell(history)

    def finish(self, *, at_least: int = 0) -> None:
        """Judge the whole once more, with nothing so young that the audit would look away.

        Also judge the campaign itself: whether its faults bit, and `at_least` so many orders stand.
        """
        wait_until(
            lambda: self.shop.rows(
                "SELECT coalesce(max(finished_at), 'epoch') < now() - make_interval(secs => %(still)s)"
                " AND coalesce(max(started_at), 'epoch') < now() - make_interval(secs => %(still)s)"
                " FROM orders.orders_saga",
                {"still": AUDIT_COUNTS_AS_STILL_SECONDS},
            )[0][0],
            "the shop is still",
            seconds=60,
        )
        self._judge("at the end", self._rest("at the end", f"at the end, SEED={self.seed}"))
        faults = [recovery.fault.name for recovery in self.recoveries]
        toothless = without_unknown(faults, orders=len(self.purchases), unknown=unknown_payments(self.shop))
        self.violations["at the end"] += [f"SEED={self.seed}: {wrong}" for wrong in toothless]
        standing = count_of_orders(self.shop)
        if standing < at_least:
            self.violations["at the end"].append(f"SEED={self.seed}: {standing} orders stand, not {at_least}")

    def all_violations(self) -> list[str]:
        return [wrong for found in self.violations.values() for wrong in found]

    def _tell(self, history: str) -> None:
        """Say how the round went, for those who watch (pytest -s)."""
        recovery = self.recoveries[-1]
        answers = [answer for wish in self.purchases if wish.history == history for answer in wish.answers]
        told = Counter("nothing" if answer.status is None else str(answer.status) for answer in answers)
        sys.stdout.write(
            f"{history}: {len(self.purchases)} orders so far, well after {recovery.seconds:.1f} s"
            f" (last: {recovery.last}),"
            f" {len(self.all_violations())} violations so far; told {dict(sorted(told.items()))}\n"
        )
        sys.stdout.flush()

    def _hurt(
        self, fault: Fault, chance: random.Random, load: Load, count: int, history: str
    ) -> tuple[float, datetime]:
        """Begin the fault once `count` purchases have begun, let it hold, end it.

        Return from when recovery counts, and when the fault ended. One that met nothing is a violation: it tried nothing.
        """
        if not load.wait_until_taken(count):
            self.violations[fault.name].append(f"{history}: the fault met no load")
        began = time.monotonic()
        fault.begin(self.shop, chance)
        if fault.holds[1]:
            threading.Event().wait(chance.uniform(*fault.holds))
        if fault.hits is not None and not self._hits(fault.hits, load):
            self.violations[fault.name].append(f"{history}: the fault hit nothing")
        fault.end(self.shop, chance)
        return (began if fault.counts_from_begin else time.monotonic()), datetime.now(UTC)

    def _hits(self, hits: Callable[[ChaosShop], int], load: Load) -> int:
        """Return how often the fault has hit, once it has or there is no load left that it could hit."""
        wait_until(lambda: hits(self.shop) or not load.is_running(), "the load goes on", seconds=300)
        return hits(self.shop)

    def _recover(self, fault: Fault, history: str, counts_from: float, ended_at: datetime) -> None:
        """Wait until an order placed after the fault is on its way, and all that was there before is done."""
        (probe,) = plan(seed=f"{history} probe", customers=list(self.shop.tokens), count=1, history=history)
        probe = Purchase(key=probe.key, customer_id=probe.customer_id, sku="MUG", history=f"{history}, the probe")
        self.purchases.append(probe)
        placing = threading.Thread(target=Client(self.shop, probe).buy, name="probe")
        placing.start()
        try:
            left = self._wait_until_well(ended_at, probe)
        finally:
            placing.join()
        self.recoveries.append(Recovery(history, fault, self._well_at - counts_from, self._last))
        if left:
            self.violations[fault.name].append(f"{history}: not well after {GIVEN_UP_SECONDS:.0f} s: {left}")

    def _wait_until_well(self, ended_at: datetime, probe: Purchase) -> str:
        """Return what was still open when the time was over; "" once all is well."""
        deadline = time.monotonic() + GIVEN_UP_SECONDS
        while True:
            asked_at = time.monotonic()
            left = ", ".join(self._open(ended_at, probe))
            self._well_at, self._last = time.monotonic(), left or self._last
            if not left or self._well_at > deadline:
                return left
            _leave_the_machine_to_the_shop(asked_at)

    def _open(self, ended_at: datetime, probe: Purchase) -> Iterator[str]:
        if not probe.order_id or not shipment_of(self.shop, probe.order_id):
            yield "an order placed after the fault is not confirmed with its shipment"
            return
        yield from unfinished(self.shop, before=ended_at)

    def _rest(self, where: str, history: str) -> datetime:
        """Return the moment up to which everything is done; nothing of money is left then."""
        deadline = time.monotonic() + GIVEN_UP_SECONDS
        while True:
            asked_at = time.monotonic()
            moment = datetime.now(UTC)
            left = ", ".join(unfinished(self.shop, before=moment))
            if not left or time.monotonic() > deadline:
                self.violations[where] += [f"{history}: does not come to rest: {left}"] if left else []
                return moment
            _leave_the_machine_to_the_shop(asked_at)

    def _judge(self, where: str, rested_at: datetime) -> None:
        known = self.all_violations()
        found = judge(self.purchases, read_books(self.shop, rested_at=rested_at)) + self._audit()
        for wrong in found:
            named = wrong if "SEED=" in wrong else f"{where}, round {self.rounds}, SEED={self.seed}: {wrong}"
            if not any(wrong in other for other in known):
                self.violations[where].append(named)

    def _audit(self) -> list[str]:
        """Run the shop's own audit; return its violations."""
        done = self.shop.manage("audit", "--no-color")
        wrong: list[str] = []
        promise = ""
        for line in done.stdout.splitlines():
            if line.startswith("I"):
                promise = line.split()[0]
            elif line.startswith("     "):
                wrong.append(f"audit {promise}: {line.strip()}")
        if done.returncode != 0 and not wrong:
            wrong.append(f"the audit does not run: {(done.stdout + done.stderr).strip()[-500:]}")
        return wrong


def _leave_the_machine_to_the_shop(asked_at: float) -> None:
    """Pause after a look at the books, which read all of them since `asked_at` (monotonic seconds)."""
    threading.Event().wait(max(0.1, JUDGE_RESTS * (time.monotonic() - asked_at)))


def schedule(*, seed: int, rounds: int) -> list[Fault]:
    """Return the faults of a campaign: each kind once in a seeded order, then any of them."""
    chance = random.Random(seed)
    first = chance.sample(FAULTS, len(FAULTS))
    return [*first, *chance.choices(FAULTS, k=max(0, rounds - len(first)))][:rounds]


def without_unknown(faults: Collection[str], *, orders: int, unknown: int) -> list[str]:
    """Return in words that faults which lose the provider's answers have made no payment UNKNOWN."""
    if (
        unknown
        or set(faults).isdisjoint(MAKING_UNKNOWN)
        or orders < max(ENOUGH_FOR_UNKNOWN, ENOUGH_IN_ROUND * len(faults))
    ):
        return []
    return ["no provider fault made any payment unknown"]


def worst(recoveries: Sequence[Recovery]) -> list[str]:
    """Return in words which recoveries took longer than they may."""
    return [
        f"{late.history}: well after {late.seconds:.1f} s, not {late.fault.well_within_seconds:.0f}; last came {late.last}"
        for late in recoveries
        if late.is_late
    ]
