"""What a soak prints: a line now and then, a table of its phases, one of its processes, and the verdicts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.load.generator import percentile
from tests.load.soak.judge import Verdict, most_in
from tests.load.soak.record import Record, median, waits
from tests.load.soak.watch import BACKLOGS, QUEUES

MOST_WRONGS = 12


def report(record: Record, verdicts: Sequence[Verdict]) -> str:
    """Return everything as text."""
    return "\n".join([*_phases(record), "", *_memory(record), "", *_verdicts(verdicts)])


def _phases(record: Record) -> Iterator[str]:
    yield f"capacity {record.capacity:.1f} orders/s; offered {record.per_second:.1f} a second"
    head = "".join(f"{name:>9}" for name in (*BACKLOGS, QUEUES))
    yield f"{'phase':<12}{'s':>5}{'orders/s':>9}{'503':>6}{'p50 ms':>8}{'p99 ms':>8}{'sessions':>9}{'late mails':>11}{head}   (at most)"
    for ran in record.ran:
        purchases = record.purchases_in(ran)
        seconds = ran.ended - ran.began
        waited = waits(purchases)
        refused = sum(each.statuses.count(503) for each in purchases)
        sessions = max((sum(each.sessions.values()) for each in record.samples_in(ran) if each.sessions), default=0)
        took = [mail.took for mail in record.mails if ran.holds(mail.confirmed)]
        late = f"{len(took)}, {max(took):.0f} s" if took else "0"
        backlogs = "".join(f"{most_in(record, ran, name):>9}" for name in (*BACKLOGS, QUEUES))
        yield (
            f"{ran.phase.name:<12}{seconds:>5.0f}{len(waited) / seconds:>9.1f}{refused:>6}"
            f"{1000 * percentile(waited, 0.5):>8.0f}{1000 * percentile(waited, 0.99):>8.0f}{sessions:>9}{late:>11}{backlogs}"
        )


def _memory(record: Record) -> Iterator[str]:
    """Show what memory each process has of its own at the end of each phase; children by number."""
    yield f"{'MB':<13}" + "".join(f"{ran.phase.name:>13}" for ran in record.ran)
    parts = [record.samples_in(ran) for ran in record.ran]
    tails = [part[-max(1, len(part) // 4) :] for part in parts]
    for member in record.samples[0].memory if record.samples else ():
        yield f"{member:<13}" + "".join(f"{median([each.memory[member] for each in tail]):>13.0f}" for tail in tails)


def _verdicts(verdicts: Sequence[Verdict]) -> Iterator[str]:
    for verdict in verdicts:
        yield f"{'FAILED' if verdict.wrong else 'ok':<7}{verdict.asked:<42}{verdict.seen}"
        yield from (f"         {wrong}" for wrong in verdict.wrong[:MOST_WRONGS])
        if len(verdict.wrong) > MOST_WRONGS:
            yield f"         and {len(verdict.wrong) - MOST_WRONGS} more"
