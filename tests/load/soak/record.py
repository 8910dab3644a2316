"""What a soak leaves to be judged: nothing here measures, judges or prints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from tests.load.generator import percentile
from tests.load.soak.arrivals import Purchase
from tests.load.soak.plan import Phase
from tests.load.soak.watch import Probe, Sample


@dataclass(frozen=True)
class Ran:
    """A phase as it was, from `began` to `ended` (time.monotonic())."""

    phase: Phase
    began: float
    ended: float

    def holds(self, moment: float) -> bool:
        return self.began <= moment < self.ended


@dataclass(frozen=True)
class Mail:
    """The mail of a confirmed order: when the order was confirmed (time.monotonic()), how long the mail took, seconds."""

    confirmed: float
    took: float


@dataclass
class Record:
    """Everything that was seen. `mails` are those that took long; one that was never sent took `inf`."""

    capacity: float
    per_second: float
    most_sessions: int
    ran: list[Ran] = field(default_factory=list)
    purchases: Sequence[Purchase] = ()
    samples: Sequence[Sample] = ()
    probes: Sequence[Probe] = ()
    mails: Sequence[Mail] = ()
    killed: Sequence[str] = ()
    ended: Sequence[str] = ()
    audit: str = ""

    def named(self, name: str) -> Ran:
        """Return the phase of that name."""
        return next(each for each in self.ran if each.phase.name == name)

    def faults(self) -> Iterator[tuple[Ran, Ran]]:
        """Yield each phase with a fault, and the one after it."""
        for this, following in zip(self.ran, self.ran[1:], strict=False):
            if this.phase.fault:
                yield this, following

    def samples_in(self, ran: Ran) -> list[Sample]:
        return [sample for sample in self.samples if ran.holds(sample.at)]

    def purchases_in(self, ran: Ran) -> list[Purchase]:
        """Return the purchases that began in a phase."""
        return [purchase for purchase in self.purchases if ran.holds(purchase.began)]


def waits(purchases: Iterable[Purchase]) -> list[float]:
    """Return how long each customer waited for an order, tries that were sent away included."""
    return [purchase.ended - purchase.began for purchase in purchases if purchase.is_confirmed]


def p99(purchases: Iterable[Purchase]) -> float:
    """Return the 99th percentile of the wait, seconds; nan without an order."""
    return percentile(waits(purchases), 0.99)


def median(values: Sequence[float]) -> float:
    """Return the middle value; 0 of nothing."""
    ordered = sorted(values)
    return ordered[len(ordered) // 2] if ordered else 0.0


def mean(values: Sequence[float]) -> float:
    """Return the arithmetic mean; 0 of nothing."""
    return sum(values) / len(values) if values else 0.0
