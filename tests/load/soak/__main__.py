"""`python -m tests.load.soak [--minutes 5] [--faults slow,away,holds]`: soak the shop, print what came of it, exit 1 if not well.

The shop runs as production has it, at a share of the capacity that is measured first. Needs Linux (/proc) and RabbitMQ.
"""

from __future__ import annotations

import argparse
import re
import signal
import sys
import time
from collections.abc import Iterator, Sequence

from local.processes import StartFailed
from tests.load import generator
from tests.load.soak.arrivals import Arrivals
from tests.load.soak.faults import in_force
from tests.load.soak.judge import MAIL_SECONDS, judge
from tests.load.soak.plan import FAULTS, HOLDS, Phase, Wanted, phases
from tests.load.soak.record import Mail, Ran, Record
from tests.load.soak.report import report
from tests.load.soak.shop import POOL, SoakShop
from tests.load.soak.watch import Watch
from tests.load.stack import HOME, Cluster

SHARE = 0.7
CAPACITY_CLIENTS, CAPACITY_SECONDS = 64, 12.0
THRONG, THRONG_SECONDS = 150, 8.0
TELL_EVERY_SECONDS = 10.0
DRAIN_SECONDS = 90.0
KILLED = re.compile(r"SIGKILL|WorkerLost|WORKER TIMEOUT|[Hh]ard time limit|exited unexpectedly|signal 9")
LATE_MAILS = """
    SELECT extract(epoch FROM o.confirmed_at), coalesce(extract(epoch FROM m.sent_at - o.confirmed_at), 'Infinity')
    FROM orders.orders_order o LEFT JOIN notifications.notifications_email m
      ON m.order_id = o.id AND m.kind = 'order_confirmed'
    WHERE o.confirmed_at IS NOT NULL
      AND coalesce(extract(epoch FROM m.sent_at - o.confirmed_at), 'Infinity') > %s
"""


def main(arguments: Sequence[str]) -> int:
    """Soak and tell; return the exit code."""
    wanted, per_second, pool = _wanted(arguments)
    plan = phases(wanted)
    # Ended from outside, it ends what it has started all the same.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with Cluster(home=HOME) as cluster:
        shop = SoakShop(cluster, pool=pool)
        try:
            shop.start()
            record = soak(shop, plan, wanted, per_second)
        except StartFailed as error:
            say(f"no result: {error}")
            return 1
        finally:
            shop.stop()
    verdicts = judge(record)
    say("\n" + report(record, verdicts))
    failed = sum(bool(verdict.wrong) for verdict in verdicts)
    say(
        f"\n{'FAILED: ' + str(failed) + ' of ' + str(len(verdicts)) if failed else 'all ' + str(len(verdicts)) + ' hold'}"
    )
    return 1 if failed else 0


def _wanted(arguments: Sequence[str]) -> tuple[Wanted, float | None, int]:
    parser = argparse.ArgumentParser(prog="python -m tests.load.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="of load in all; from 15 on the faults last longer")
    parser.add_argument("--faults", default=",".join(FAULTS), help="which, in this order; 'none' for none")
    parser.add_argument("--slow-seconds", type=float, help="how long the provider takes 1.6 s a call")
    parser.add_argument("--away-seconds", type=float, help="how long PostgreSQL is stopped")
    parser.add_argument(
        "--holds", type=int, default=HOLDS, help="how many orders hold stock unpaid until all run out of time"
    )
    parser.add_argument("--rate", type=float, help="orders a second; unset, 70 %% of the capacity, which is measured")
    parser.add_argument(
        "--pool", type=int, default=POOL, help="connections of a web process: fewer leave the workers more"
    )
    given = parser.parse_args(arguments)
    faults = [] if given.faults == "none" else given.faults.split(",")
    if unknown := set(faults) - set(FAULTS):
        parser.error(f"no such fault: {', '.join(sorted(unknown))}")
    wanted = Wanted(given.minutes, faults, given.slow_seconds, given.away_seconds, given.holds)
    try:
        phases(wanted)
    except ValueError as error:
        parser.error(str(error))
    return wanted, given.rate, given.pool


def soak(shop: SoakShop, plan: Sequence[Phase], wanted: Wanted, per_second: float | None) -> Record:
    """Run every phase. Raises: StartFailed where the shop does not drain before it."""
    use_every_thread(shop)
    capacity = measured_capacity(shop)
    if "holds" in wanted.faults:
        say(f"{wanted.holds:,} orders are placed that nobody will pay")
        shop.run("-m", "tests.load.soak.holds", str(wanted.holds))
    record = Record(capacity, per_second or SHARE * capacity, shop.most_sessions())
    say(f"capacity {capacity:.1f} orders/s; from now on {record.per_second:.1f} a second arrive")
    members = shop.members()
    with Watch(shop) as watch, Arrivals(shop.url, shop.tokens, record.per_second) as arrivals:
        for phase in plan:
            with in_force(phase.fault, shop):
                record.ran.append(_run(phase, arrivals, watch))
            if record.ran[-1].phase.fault:
                # What a fault's end takes (PostgreSQL starts again) is still the fault.
                record.ran[-1] = Ran(phase, record.ran[-1].began, time.monotonic())
    record.purchases, record.samples, record.probes = arrivals.purchases, watch.samples, watch.probes
    record.ended = [f"{member.name} (pid {member.pid}) is gone" for member in members if member not in shop.members()]
    record.killed = list(_killed(shop))
    record.audit = _drained_and_audited(shop)
    record.mails = [mail for mail in _late_mails(shop) if mail.confirmed >= record.ran[0].began]
    return record


def use_every_thread(shop: SoakShop) -> None:
    """Have every web thread work and meet an outage, so that what it then holds for good is not taken for a leak.

    Two outages of 40 s in a row showed it: a web process holds 7 MB more after the first, 0.3 after the second.
    """
    for fault in ("slow", "away"):
        with in_force(fault, shop):
            generator.load(shop, clients=THRONG, seconds=THRONG_SECONDS)
    shop.wait_until_drained(seconds=DRAIN_SECONDS)


def measured_capacity(shop: SoakShop) -> float:
    """Return the orders a second that the shop confirms and works off, its customers asking as fast as they can."""
    outcome = generator.load(shop, clients=CAPACITY_CLIENTS, seconds=CAPACITY_SECONDS)
    drained = shop.wait_until_drained(seconds=DRAIN_SECONDS, all_of_it=False)
    shop.wait_until_drained(seconds=DRAIN_SECONDS)
    return outcome.done() / (outcome.seconds + drained)


def _run(phase: Phase, arrivals: Arrivals, watch: Watch) -> Ran:
    """Let a phase pass, and tell now and then how it goes."""
    began, told, known = time.monotonic(), time.monotonic(), len(arrivals.purchases)
    say(f"--- {phase.name}, {phase.seconds:.0f} s")
    while (left := began + phase.seconds - time.monotonic()) > 0:
        time.sleep(min(left, 0.5))
        if time.monotonic() - told >= TELL_EVERY_SECONDS:
            recent = arrivals.purchases[known:]
            confirmed = sum(purchase.is_confirmed for purchase in recent)
            backlog = next((each.backlog for each in reversed(watch.samples)), None)
            waiting = "away" if backlog is None else {name: count for name, count in backlog.items() if count}
            say(
                f"{confirmed / (time.monotonic() - told):6.1f} orders/s, {arrivals.under_way} under way, waiting: {waiting}"
            )
            told, known = time.monotonic(), len(arrivals.purchases)
    return Ran(phase, began, time.monotonic())


def _killed(shop: SoakShop) -> Iterator[str]:
    for role, log in shop.logs().items():
        yield from (f"{role}: {line[:200]}" for line in log.splitlines() if KILLED.search(line))


def _drained_and_audited(shop: SoakShop) -> str:
    try:
        shop.wait_until_drained(seconds=DRAIN_SECONDS)
    except StartFailed as error:
        return str(error)
    return shop.audit()


def _late_mails(shop: SoakShop) -> list[Mail]:
    """Return the mails that took long, by the clock of this process."""
    to_monotonic = time.monotonic() - time.time()
    with shop.connect() as connection:
        rows = connection.execute(LATE_MAILS, [MAIL_SECONDS]).fetchall()
    return [Mail(float(confirmed) + to_monotonic, float(took)) for confirmed, took in rows]


def say(text: str) -> None:
    """Tell whoever waits, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
