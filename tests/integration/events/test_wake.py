"""Waking: a commit is followed within the process, without anything else running."""

import time
from threading import Event, current_thread
from types import SimpleNamespace
from uuid import uuid4

import pytest
from django.db import connections
from django.db.utils import OperationalError

from orders.models import Outbox
from shop import transactions
from shop.events import relay, transport
from shop.events.port import TransportUnavailable
from shop.events.publishing import publish
from shop.work import background, sweeps
from tests.integration.events.bench import Rung, Struck, applied, apply, hear, ring

DEADLINE = 60


@pytest.fixture(autouse=True)
def own_threads(settings, monkeypatch):
    """Let the process wake itself, in threads that nobody else has."""
    settings.EVENTS_WAKE_IN_PROCESS = True
    settings.BROKER_URL = ""
    monkeypatch.setattr(relay, "_relays", None)
    monkeypatch.setattr(background, "_made", None)
    yield
    background.finish()
    if background._made is not None:
        # A run of a sweep takes its place in the database.
        ended = Event()
        monkeypatch.setattr(background._Runner, "_run_sweep", lambda *_: (connections.close_all(), ended.set()))
        background.ask("bench.end")
        assert ended.wait(DEADLINE)
    for thread in (relay._relays.heard, relay._relays.unheard) if relay._relays is not None else ():
        # It keeps its connections for its next wake, and the test's database could not be dropped.
        closed = Event()
        monkeypatch.setattr(relay, "drain", lambda _context, closed=closed: (connections.close_all(), closed.set()))
        thread.wake("orders")
        assert closed.wait(DEADLINE)


@pytest.fixture
def heard():
    """Count deliveries: `heard.wait(n)` returns once n have been committed."""
    return Heard()


class Heard:
    def __init__(self):
        self.reached = Event()
        self.wanted = 1

    def __call__(self, event):
        apply(event, "notifications.heard")
        transactions.after_commit("notifications", self.look)

    def look(self):
        if len(applied("notifications.heard")) >= self.wanted:
            self.reached.set()

    def wait(self, count=1):
        self.wanted = count
        assert self.reached.wait(DEADLINE), f"{len(applied())} of {count} arrived"


def test_commit_is_delivered_by_the_process_itself(heard):
    hear(heard, name="heard")

    bell = ring()

    heard.wait()
    assert applied() == [(bell, 1)]


def test_rolled_back_fact_wakes_nobody(heard, monkeypatch):
    hear(heard, name="heard")
    woken: list[str] = []
    monkeypatch.setattr(relay, "wake", woken.append)

    def ring_and_fail():
        with transactions.transaction("orders"):
            publish(Rung(bell=uuid4(), count=1), aggregate_id=uuid4(), aggregate_version=1)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        ring_and_fail()

    assert woken == []


def test_relay_thread_outlives_a_transport_that_is_away(heard, monkeypatch):
    hear(heard, name="heard")
    inline, failed = transport.InlineTransport(), Event()

    class Flaky:
        failures = 2

        def send(self, envelopes):
            if Flaky.failures:
                Flaky.failures -= 1
                failed.set()
                raise TransportUnavailable("not yet")
            return inline.send(envelopes)

    monkeypatch.setattr(relay, "transport", Flaky)

    bell = ring()
    assert failed.wait(DEADLINE)

    heard.wait()
    assert applied() == [(bell, 1)]


def test_relay_thread_outlives_a_database_that_is_away(heard, monkeypatch):
    hear(heard, name="heard")
    drain, failed = relay.drain, Event()

    def drain_without_database(context):
        monkeypatch.setattr(relay, "drain", drain)
        failed.set()
        raise OperationalError("the database went away")

    monkeypatch.setattr(relay, "drain", drain_without_database)

    ring()
    assert failed.wait(DEADLINE)

    heard.wait()


def test_wakes_do_not_hurry_a_relay_whose_transport_is_away():
    thread, tried = relay.RelayThread(), []

    def fail_once(context):
        tried.append(time.monotonic())
        return len(tried) > 1

    # For good, unlike a monkeypatch: the wake that is left over would drain the tables of a later test.
    thread._drained = fail_once  # type: ignore[method-assign]
    thread.start()
    deadline = time.monotonic() + DEADLINE
    while len(tried) < 2 and time.monotonic() < deadline:
        thread.wake("orders")

    assert tried[1] - tried[0] > 0.4, "it waits half a second after the first failure"


def test_woken_sweep_runs_once_after_the_commit(monkeypatch):
    ran, order = Event(), []

    def run():
        order.append("swept")
        ran.set()
        return 0

    sweep = sweeps.Sweep("bench.tidy", "orders", 60, run, None)
    monkeypatch.setitem(sweeps._sweeps, "bench.tidy", sweep)

    with transactions.transaction("orders"):
        background.wake("bench.tidy", context="orders")
        order.append("about to commit")

    assert ran.wait(DEADLINE)
    assert order == ["about to commit", "swept"]


def test_sweep_that_fails_does_not_silence_later_wakes(monkeypatch):
    ran = Event()

    def fail():
        raise RuntimeError("this sweep is broken")

    monkeypatch.setitem(sweeps._sweeps, "bench.broken", sweeps.Sweep("bench.broken", "orders", 60, fail, None))
    monkeypatch.setitem(
        sweeps._sweeps, "bench.sound", sweeps.Sweep("bench.sound", "orders", 60, lambda: ran.set() or 0, None)
    )

    background.wake("bench.broken", context="orders")
    background.wake("bench.sound", context="orders")

    assert ran.wait(DEADLINE)


def test_wakes_of_one_sweep_fold_into_one(monkeypatch, settings):
    settings.EVENTS_NUDGE_GATHER_SECONDS = 1.5
    ran, runs = Event(), []

    def run():
        runs.append(time.monotonic())
        if len(runs) == 2:
            ran.set()
        for _ in range(50 if len(runs) == 1 else 0):
            background.wake("bench.tidy", context="orders")
        return 0

    monkeypatch.setitem(sweeps._sweeps, "bench.tidy", sweeps.Sweep("bench.tidy", "orders", 60, run, None))

    background.wake("bench.tidy", context="orders")

    assert ran.wait(DEADLINE)
    assert runs[1] - runs[0] > 0.5
    background.finish()
    assert len(runs) == 2


@pytest.mark.parametrize(
    ("in_worker", "allowed", "here"), [(True, True, True), (True, False, False), (False, True, False)]
)
def test_worker_runs_what_it_wakes_and_others_send_it(in_worker, allowed, here, monkeypatch, settings):
    settings.BROKER_URL, settings.EVENTS_SWEEP_WHERE_WOKEN = "amqp://nobody", allowed
    done, did = Event(), []
    monkeypatch.setattr(background, "_worker_pid", 0)
    monkeypatch.setattr(
        background, "current_app", SimpleNamespace(send_task=lambda name, **_more: (did.append("sent"), done.set()))
    )
    sweep = sweeps.Sweep("bench.tidy", "orders", 60, lambda: did.append("ran") or done.set() or 0, None)
    monkeypatch.setitem(sweeps._sweeps, "bench.tidy", sweep)
    if in_worker:
        background.sweep_here()

    background.wake("bench.tidy", context="orders")

    assert done.wait(DEADLINE)
    background.finish()
    assert did == ["ran" if here else "sent"]


def test_heard_fact_does_not_wait_behind_unheard_ones(heard, settings, monkeypatch):
    settings.EVENTS_GATHER_UNHEARD_SECONDS = 0.0
    hear(heard, name="heard")
    drain, began, go_on = relay.drain, Event(), Event()

    def stall(context):
        if current_thread().name == "relay unheard":
            began.set()
            go_on.wait(DEADLINE)
        return drain(context)

    monkeypatch.setattr(relay, "drain", stall)
    ring(event=Struck)
    assert began.wait(DEADLINE)

    bell = ring()

    heard.wait()
    go_on.set()
    assert applied() == [(bell, 1)]


def test_fact_that_nobody_hears_waits_for_the_next_that_somebody_does(heard, settings):
    settings.EVENTS_GATHER_UNHEARD_SECONDS = 3600.0
    hear(heard, name="heard")
    unheard = ring(event=Struck)
    assert relay._relays.unheard._moments.take(timeout=0.05) == []

    ring()

    heard.wait()
    assert relay._relays.unheard._moments._due == {}, "the other thread need not come for it"
    deadline = time.monotonic() + DEADLINE
    while Outbox.objects.filter(published_at=None).exists() and time.monotonic() < deadline:
        pass
    assert Outbox.objects.get(aggregate_id=unheard).published_at is not None
