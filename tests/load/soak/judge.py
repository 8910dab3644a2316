"""What must hold over a soak; each judgment returns what it saw, and what was wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tests.load.soak.plan import RECOVERY_SECONDS
from tests.load.soak.record import Ran, Record, mean, median, p99, waits
from tests.load.soak.shop import CONCURRENCY, ROLES
from tests.load.soak.watch import BACKLOGS, QUEUES

CALM, AGAIN = "calm", "calm again"
# A fault's end is followed by buckets of so many seconds, and all is well from the end of the last that was not.
BUCKET_SECONDS = 3.0
MAIL_SECONDS = 5.0
# Above these a wait counts as longer than before, whatever it was before: a quiet machine has small figures.
SLACK_SECONDS = 0.15
WAIT_TWICE = 2.0
# From the first calm to the last a process may come to hold so much more: fragments and caches, not a leak.
MEMORY_MEGABYTES, MEMORY_SHARE = 12.0, 0.12
# A worker's process opens a session at its first task, which may come late: one more for each of them.
SESSIONS_MORE = len(ROLES) * CONCURRENCY
# So many seconds' worth of orders may be on its way in any backlog: notices of the provider wait for two seconds and are
# closed together, three of each order.
ON_THE_WAY_SECONDS = 8.0
# Of those who come in a bucket: so large a share has to be served at once and as quickly as before, all but so few.
GOOD_SHARE, FEW = 0.95, 2
ANSWERS = {201, 202, 503}


@dataclass(frozen=True)
class Verdict:
    """One judgment: what was asked, what was seen in words, and each thing that was wrong."""

    asked: str
    seen: str
    wrong: tuple[str, ...] = ()


def judge(record: Record) -> list[Verdict]:
    """Return all judgments."""
    return [each(record) for each in JUDGMENTS]


def backlogs_stay(record: Record) -> Verdict:
    """No backlog grows while all is calm."""
    wrong = []
    for name in (CALM, AGAIN):
        samples = [each for each in record.samples_in(record.named(name)) if each.backlog is not None]
        third = max(1, len(samples) // 3)
        for backlog in (*BACKLOGS, QUEUES):
            begin, end = (
                mean([float(each.backlog[backlog]) for each in part if each.backlog])
                for part in (samples[:third], samples[-third:])
            )
            if end > max(2 * begin, ON_THE_WAY_SECONDS * record.per_second):
                wrong.append(f"{backlog} grew from {begin:.0f} to {end:.0f} in the phase {name!r}")
    most = {backlog: most_in(record, record.named(AGAIN), backlog) for backlog in (*BACKLOGS, QUEUES)}
    return Verdict("no backlog grows", f"at most {_told(most)} at the end", tuple(wrong))


def memory_stays(record: Record) -> Verdict:
    """No process holds more memory after the faults than before, but for what an allocator keeps."""
    wrong, grew = [], []
    first, last = (_later_half(record, name) for name in (CALM, AGAIN))
    for member in first[0].memory if first and last else ():
        before, after = (median([sample.memory[member] for sample in part]) for part in (first, last))
        grew.append((after - before, member, before, after))
        if after - before > max(MEMORY_MEGABYTES, MEMORY_SHARE * before):
            wrong.append(f"{member} grew from {before:.0f} to {after:.0f} MB")
        if not after:
            wrong.append(f"{member} is gone")
    most, member, before, after = max(grew, default=(0.0, "nobody", 0.0, 0.0))
    return Verdict("no memory grows", f"most: {member}, {before:.0f} to {after:.0f} MB ({most:+.0f})", tuple(wrong))


def waits_stay(record: Record) -> Verdict:
    """p99 of a customer's wait is as it was before the faults."""
    before, after = (p99(record.purchases_in(record.named(name))) for name in (CALM, AGAIN))
    seen = f"p99 {1000 * before:.0f} ms, then {1000 * after:.0f} ms"
    stays = after <= max(WAIT_TWICE * before, before + SLACK_SECONDS)
    return Verdict("p99 stays", seen, () if stays else (seen,))


def faults_pass(record: Record) -> Verdict:
    """All is as before the fault within 30 s of its end."""
    wrong, seen = [], []
    for fault, after in record.faults():
        seconds, why = recovery(record, fault, after)
        seen.append(f"{fault.phase.name} {seconds:.0f} s")
        if seconds > RECOVERY_SECONDS:
            wrong.append(f"{seconds:.0f} s after the end of {fault.phase.name!r}: {why}")
    return Verdict("back to normal within 30 s", ", ".join(seen) or "no fault", tuple(wrong))


def recovery(record: Record, fault: Ran, after: Ran) -> tuple[float, str]:
    """Return how many seconds after a fault's end something was last not as before it, and what."""
    last, why = 0.0, ""
    # A purchase that began in the last bucket may not have ended yet as the next phase begins.
    for number in range(int((after.ended - after.began) / BUCKET_SECONDS)):
        begin = after.began + number * BUCKET_SECONDS
        bucket = Ran(after.phase, begin, begin + BUCKET_SECONDS)
        if found := "; ".join(_not_as_before(record, bucket)):
            last, why = bucket.ended - after.began, found
    return last, why


def _not_as_before(record: Record, bucket: Ran) -> Iterator[str]:
    calm = record.named(CALM)
    for sample in record.samples_in(bucket):
        if sample.backlog is None:
            yield "the database is away"
            continue
        for name, count in sample.backlog.items():
            # Two seconds' worth of orders is on its way at any time.
            if count > max(2 * record.per_second, 1.5 * most_in(record, calm, name)):
                yield f"{name} {count}"
    purchases = record.purchases_in(bucket)
    at_once = sum(purchase.statuses == (201,) for purchase in purchases)
    few = max(FEW, (1 - GOOD_SHARE) * len(purchases))
    if len(purchases) - at_once > few:
        yield f"{at_once} of {len(purchases)} orders were confirmed at the first try"
    bound = max(WAIT_TWICE * p99(record.purchases_in(calm)), p99(record.purchases_in(calm)) + SLACK_SECONDS)
    slow = sum(wait > bound for wait in waits(purchases))
    if slow > few:
        yield f"{slow} of {len(purchases)} waited for longer than {1000 * bound:.0f} ms"


def nobody_is_killed(record: Record) -> Verdict:
    """Judge whether every process stayed alive."""
    wrong = (*record.killed, *record.ended)
    return Verdict("no process is killed or ends by itself", f"{len(wrong)} were", wrong)


def nothing_is_set_aside(record: Record) -> Verdict:
    """No order is parked, no delivery dead."""
    parked = max((sample.parked for sample in record.samples), default=0)
    dead = max((sample.dead for sample in record.samples), default=0)
    seen = f"{parked} orders parked, {dead} deliveries dead"
    return Verdict("no order parked, no delivery dead", seen, (seen,) if parked or dead else ())


def probes_answer(record: Record) -> Verdict:
    """/health and /metrics answer whatever fails; /ready says no only while the database is away."""
    wrong = []
    away = [ran for fault, after in record.faults() if fault.phase.fault == "away" for ran in (fault, after)]
    for probe in record.probes:
        may_refuse = probe.path == "/ready" and any(ran.holds(probe.at) for ran in away) and probe.status == 503
        if probe.status != 200 and not may_refuse:
            at = next((ran.phase.name for ran in record.ran if ran.holds(probe.at)), "the end")
            wrong.append(f"{probe.path} was answered {probe.status or 'nothing'} after {probe.seconds:.1f} s in {at!r}")
    slowest = dict.fromkeys(("/health", "/ready", "/metrics"), 0.0)
    for probe in record.probes:
        slowest[probe.path] = max(slowest[probe.path], probe.seconds)
    seen = ", ".join(f"{path} {1000 * seconds:.0f} ms" for path, seconds in slowest.items())
    return Verdict("probes answer all the time", f"{len(record.probes)} asked; slowest {seen}", tuple(wrong))


def mails_go_out(record: Record) -> Verdict:
    """A confirmed order's mail goes out within 5 s; of those that the database kept, within 30 s of its return."""
    away = [(fault, after) for fault, after in record.faults() if fault.phase.fault == "away"]

    def is_excused(confirmed: float, sent: float) -> bool:
        return any(
            fault.began - MAIL_SECONDS <= confirmed and sent <= after.began + RECOVERY_SECONDS for fault, after in away
        )

    late = [mail for mail in record.mails if not is_excused(mail.confirmed, mail.confirmed + mail.took)]
    excused = len(record.mails) - len(late)
    longest = max((mail.took for mail in late), default=0.0)
    seen = f"{len(late)} late, {excused} waited for the database"
    wrong = (f"{len(late)} mails went out later, the last after {longest:.1f} s",) if late else ()
    return Verdict(f"mail within {MAIL_SECONDS:.0f} s", seen, wrong)


def sessions_are_bounded(record: Record) -> Verdict:
    """The shop has no more sessions at PostgreSQL than it may, and not more after the faults than before."""
    totals = {
        name: max((sum(s.sessions.values()) for s in record.samples_in(record.named(name)) if s.sessions), default=0)
        for name in (CALM, AGAIN)
    }
    most = max((sum(sample.sessions.values()) for sample in record.samples if sample.sessions), default=0)
    wrong = []
    if most > record.most_sessions:
        wrong.append(f"{most} sessions, where {record.most_sessions} are the most")
    if totals[AGAIN] > totals[CALM] + SESSIONS_MORE:
        wrong.append(f"{totals[CALM]} sessions before the faults, {totals[AGAIN]} after them")
    return Verdict("sessions at PostgreSQL", f"at most {most} of {record.most_sessions}; {totals[CALM]}, then "
                   f"{totals[AGAIN]}", tuple(wrong))  # fmt: skip


def answers_are_known(record: Record) -> Verdict:
    """Customers get an order or are told when to come again; without an answer only where the database is away."""
    answers = Counter(status for purchase in record.purchases for status in purchase.statuses)
    wrong = [f"{count} answers {status}" for status, count in answers.items() if status not in {0, *ANSWERS}]
    away = [ran for fault, after in record.faults() if fault.phase.fault == "away" for ran in (fault, after)]
    silent = [
        each for each in record.purchases if 0 in each.statuses and not any(ran.holds(each.began) for ran in away)
    ]
    if silent:
        wrong.append(f"{len(silent)} customers got no answer while the database was there")
    for name in (CALM, AGAIN):
        purchases = record.purchases_in(record.named(name))
        lost = sum(not purchase.is_confirmed for purchase in purchases)
        if lost:
            wrong.append(f"{lost} of {len(purchases)} customers got no order in the phase {name!r}")
    seen = ", ".join(f"{count} x {status or 'no answer'}" for status, count in sorted(answers.items()))
    return Verdict("customers are answered", seen, tuple(wrong))


def audit_is_clean(record: Record) -> Verdict:
    """The promises hold at the end."""
    return Verdict(
        "the audit is clean", "clean" if not record.audit else "broken", (record.audit,) * bool(record.audit)
    )


JUDGMENTS: Sequence[Callable[[Record], Verdict]] = (
    backlogs_stay,
    memory_stays,
    waits_stay,
    faults_pass,
    nobody_is_killed,
    nothing_is_set_aside,
    probes_answer,
    mails_go_out,
    sessions_are_bounded,
    answers_are_known,
    audit_is_clean,
)


def most_in(record: Record, ran: Ran, backlog: str) -> int:
    """Return how long a backlog was at most in a phase."""
    return max((sample.backlog[backlog] for sample in record.samples_in(ran) if sample.backlog), default=0)


def _later_half(record: Record, name: str) -> list:
    samples = record.samples_in(record.named(name))
    return samples[len(samples) // 2 :]


def _told(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())
