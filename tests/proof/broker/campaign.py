"""The campaign: events are committed all the time, while the broker and the workers are killed again and again.

When to kill is a share of the events, what else dies along with the broker is chance with a seed. Each recovery is timed
and waited for before the next fault; in the end the judge holds what was committed against what was handled and heard.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from local.processes import Process, StartFailed
from orders.models import Outbox
from tests.driver.rabbitmq import PrivateRabbitmq
from tests.integration.events.bench import Rung, ring
from tests.process.broker import Broker
from tests.proof.broker.judge import violations
from tests.proof.broker.outsider import Outsider
from tests.proof.broker.subscribers import SUBSCRIBERS, Fact, committed, handled_by, waiting

# Of ten outages of the broker so many take something else along.
WORKER_DIES_TOO = 0.2
BROKER_DIES_AGAIN_AT_ONCE = 0.2
# Of a worker, as tests/process/starting.py starts it; each consumes.
WORKER_PROCESSES = 2
# The last faults come while events are still being committed.
FAULTS_END_AT = 0.85
POLL_SECONDS = 0.2
PATIENCE_SECONDS = 180


class NotInTime(Exception):
    """Something that must happen did not; says what."""


@dataclass
class Outcome:
    """What was done, how long it took to recover, and what the judge says."""

    committed: int = 0
    broker_kills: int = 0
    worker_kills: int = 0
    broker_recoveries: list[float] = field(default_factory=list)
    worker_recoveries: list[float] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)


class Campaign:
    """Kills by plan while publishers commit."""

    def __init__(
        self, *, broker: Broker, outsider: Outsider, start_worker: Callable[[], Process], events: int, seed: int
    ) -> None:
        assert broker.node is not None
        self.broker = broker
        self.node: PrivateRabbitmq = broker.node
        self.outsider = outsider
        self.events = events
        self.outcome = Outcome()
        self._chance = random.Random(seed)
        self._start_worker = start_worker
        self._workers = [start_worker(), start_worker()]
        self._probes = 0
        self._settled = 0

    def run(self, *, broker_kills: int, worker_kills: int) -> Outcome:
        """Kill as often as told while events are committed; wait until all is at rest; judge."""
        plan = [(share, self.kill_broker) for share in self._shares(broker_kills)]
        plan += [(share, self.kill_worker) for share in self._shares(worker_kills)]
        try:
            for share, fault in sorted(plan, key=lambda step: step[0]):
                self._until_committed(int(share * self.events))
                fault()
            self._until_committed(self.events + self._probes)
            self._until(self._is_at_rest, "everything is published, handled and heard")
        except (NotInTime, StartFailed) as late:
            self.outcome.violations.append(str(late))
        # In order: each ends what it has begun, and what it was given beyond that goes back to the queue to be seen.
        for worker in self._workers:
            worker.stop(seconds=PATIENCE_SECONDS)
        self.outcome.committed = committed()
        self.outcome.violations += violations(self.broker, self.outsider)
        return self.outcome

    def kill_broker(self) -> None:
        """Kill it, by chance with something else."""
        self.outage(
            a_worker_dies_too=self._chance.random() < WORKER_DIES_TOO,
            it_dies_again=self._chance.random() < BROKER_DIES_AGAIN_AT_ONCE,
        )

    def outage(self, *, seconds: float = 0, a_worker_dies_too: bool = False, it_dies_again: bool = False) -> None:
        """Kill the broker, start it again, and time how long an event that is committed then takes to be handled."""
        before = committed()
        self.node.kill()
        self.outcome.broker_kills += 1
        if a_worker_dies_too:
            self._kill_a_worker()
        killed = time.monotonic()
        self._until(lambda: time.monotonic() - killed >= seconds, "the outage is over")
        self.node.start()
        if it_dies_again:
            self.node.kill()
            self.outcome.broker_kills += 1
            self.node.start()
        answers_again = time.monotonic()
        if before == committed() < self.events:
            self.outcome.violations.append(f"nobody could commit during outage {self.outcome.broker_kills}")
        probe = (ring(), 1)
        self._probes += 1
        self._until(lambda: not unhandled([probe]), "an event committed after an outage is handled")
        self.outcome.broker_recoveries.append(time.monotonic() - answers_again)
        if a_worker_dies_too:
            self._replace_worker()

    def kill_worker(self) -> None:
        """Kill one, and time how long it takes until everything is handled that was under way."""
        killed = time.monotonic()
        self._kill_a_worker()
        newest, under_way = self._under_way()
        self._until(lambda: not unhandled(under_way), "everything is handled that was under way when a worker died")
        self.outcome.worker_recoveries.append(time.monotonic() - killed)
        self._settled = newest
        self._replace_worker()

    def _shares(self, faults: int) -> Iterator[float]:
        """Spread so many faults, each somewhere in its own stretch."""
        for number in range(faults):
            yield (number + self._chance.uniform(0.2, 0.8)) / faults * FAULTS_END_AT

    def _kill_a_worker(self) -> None:
        self._workers.pop(self._chance.randrange(len(self._workers))).kill()
        self.outcome.worker_kills += 1

    def _replace_worker(self) -> None:
        """Start one in the place of the dead one, once the broker has noticed the death."""
        consumers = WORKER_PROCESSES * len(self._workers)
        self._until(lambda: self._consumers() == consumers, "the broker forgets the dead worker")
        self._workers.append(self._start_worker())

    def _consumers(self) -> int:
        depth = self.broker.depth("notifications.events")
        assert depth is not None
        return depth[1]

    def _under_way(self) -> tuple[int, list[Fact]]:
        """Return the newest row, and what is committed and was not handled by all when it was last looked at."""
        rows = list(
            Outbox.objects.filter(type=Rung.type, id__gt=self._settled).values_list(
                "id", "aggregate_id", "aggregate_version"
            )
        )
        return max((row[0] for row in rows), default=self._settled), unhandled([(bell, n) for _id, bell, n in rows])

    def _is_at_rest(self) -> bool:
        if Outbox.objects.filter(published_at=None).exists():
            return False
        queues = [self.broker.depth(f"{subscriber.partition('.')[0]}.events") for subscriber in SUBSCRIBERS]
        return (
            all(depth is not None and depth[0] == 0 for depth in queues)
            and waiting() <= 0
            and self.outsider.has_heard(committed())
        )

    def _until_committed(self, events: int) -> None:
        """Wait, however long it takes, while publishers go on."""
        while (now := committed()) < events:
            self._until(lambda: committed() > now, f"there are more than {now} of {events} events")

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            for worker in self._workers:
                if not worker.is_running():
                    raise NotInTime(f"a worker ended by itself while waiting until {what}: {worker.tail()}")
            if time.monotonic() > deadline:
                raise NotInTime(
                    f"not within {PATIENCE_SECONDS} s: {what}; a worker's log ends: {self._workers[0].tail()}"
                )
            time.sleep(POLL_SECONDS)


def unhandled(facts: Sequence[Fact]) -> list[Fact]:
    """Return those of `facts` that some subscriber has not handled."""
    bells = [bell for bell, _count in facts]
    handled = [handled_by(subscriber, bells) for subscriber in SUBSCRIBERS]
    return [fact for fact in facts if not all(fact in by for by in handled)]
