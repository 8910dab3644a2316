"""The faults: how each begins and ends, how long it holds, and within what time all must be well after it.

A process that dies by kill -9 is started again at once, as its supervisor would: its recovery counts from the kill, the
start included. Of PostgreSQL and RabbitMQ it counts from when they answer again, of every other fault from its end.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from random import Random
from typing import Final

import psycopg

from tests.proof.processes.shop import ChaosShop, children_of, send, wait_until

WORKER_SECONDS: Final = 30.0
BROKER_SECONDS: Final = 25.0
DATABASE_SECONDS: Final = 15.0
PROVIDER_SECONDS: Final = 60.0
Act = Callable[[ChaosShop, Random], None]


@dataclass(frozen=True)
class Fault:
    """One kind. `holds` are the least and most seconds it lasts; (0, 0) is a blow."""

    name: str
    begin: Act
    end: Act
    holds: tuple[float, float]
    well_within_seconds: float
    counts_from_begin: bool = False
    # How often it has hit something since it began, where that can be told before its end.
    hits: Callable[[ChaosShop], int] | None = None


def _nothing(shop: ChaosShop, chance: Random) -> None:
    """Need no end."""


def _killed(name: str) -> Act:
    return lambda shop, _chance: shop.restart(name)


def _signaled(name: str, number: signal.Signals) -> Act:
    return lambda shop, _chance: shop.processes[name]._signal(number)


def _kill_pool_process(shop: ChaosShop, chance: Random) -> None:
    """Kill one of the worker's two processes that run tasks, as the kernel does when memory runs out."""
    worker = shop.processes["worker"]._child
    assert worker is not None
    send(chance.choice(children_of(worker.pid)), signal.SIGKILL)


def _restart_broker(shop: ChaosShop, chance: Random) -> None:
    shop.broker.stop()
    shop.broker.start()


def _reset_all(shop: ChaosShop, chance: Random) -> None:
    for proxy in shop.proxies:
        proxy.reset()


def _thaw(name: str) -> Act:
    """Let what was held go on, or, one time in two, break it, as a firewall that has forgotten its connections."""

    def end(shop: ChaosShop, chance: Random) -> None:
        proxy = getattr(shop, name)
        if chance.random() < 0.5:
            proxy.reset()
        proxy.thaw()

    return end


def _freeze(name: str) -> Act:
    return lambda shop, _chance: getattr(shop, name).freeze()


def _answers_lost(shop: ChaosShop, chance: Random) -> None:
    """Have the provider do what it is asked, and say nothing; sometimes an error that it then keeps under the key."""
    for kind in ("lost_answer", "error_500_after_effect"):
        for path in ("confirm", "capture", "cancel"):
            fault = {"fault": kind, "match": {"method": "POST", "path": f"/v1/payment_intents/*/{path}"}}
            shop.sandbox("POST", "faults", {**fault, "times": chance.randint(3, 8)})


def _slow_provider(shop: ChaosShop, chance: Random) -> None:
    """Have some answers come after the shop has given up, and some just before."""
    for delay in (5.0, 2.0):
        fault = {"fault": "late", "match": {"method": "POST", "path": "/v1/payment_intents/*"}}
        shop.sandbox("POST", "faults", {**fault, "times": chance.randint(4, 8), "delay_seconds": delay})


def _hits_at_provider(shop: ChaosShop) -> int:
    return sum(fault["hits"] for fault in shop.sandbox("GET", "faults")["faults"])


def _heal_provider(shop: ChaosShop, chance: Random) -> None:
    shop.sandbox("DELETE", "faults")


def _raise_disk_alarm(shop: ChaosShop, chance: Random) -> None:
    shop.rabbitmqctl("set_disk_free_limit", "1000000GB")


def _end_disk_alarm(shop: ChaosShop, chance: Random) -> None:
    shop.rabbitmqctl("set_disk_free_limit", "50MB")


class _Hoard:
    """Holds every connection that PostgreSQL gives, and takes the shop's own away while it does."""

    def __init__(self) -> None:
        self._held = ExitStack()

    def begin(self, shop: ChaosShop, chance: Random) -> None:
        url = shop.database.url("shop")
        first = self._held.enter_context(psycopg.connect(url, autocommit=True, application_name="hoard"))

        def has_all() -> bool:
            """Take what is free, then end the shop's own, which takes a moment to become free."""
            self._take_all(url)
            return not first.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND application_name LIKE 'shop-%'"
            ).fetchall()

        wait_until(has_all, "the shop has no connection left", seconds=60, pause=0.01)

    def end(self, shop: ChaosShop, chance: Random) -> None:
        self._held.close()

    def _take_all(self, url: str) -> None:
        with suppress(psycopg.OperationalError):
            while True:
                self._held.enter_context(psycopg.connect(url, autocommit=True, application_name="hoard"))


_hoard = _Hoard()
LASTS: Final = (4.0, 10.0)
BLOW: Final = (0.0, 0.0)

FAULTS: Final = (
    Fault("worker killed", _killed("worker"), _nothing, BLOW, WORKER_SECONDS, counts_from_begin=True),
    Fault("worker's pool process killed", _kill_pool_process, _nothing, BLOW, WORKER_SECONDS, counts_from_begin=True),
    Fault("web server killed", _killed("web"), _nothing, BLOW, WORKER_SECONDS, counts_from_begin=True),
    Fault("beat killed", _killed("beat"), _nothing, BLOW, WORKER_SECONDS, counts_from_begin=True),
    Fault("relay killed", _killed("relay"), _nothing, BLOW, WORKER_SECONDS, counts_from_begin=True),
    Fault("provider killed", _killed("sandbox"), _nothing, BLOW, PROVIDER_SECONDS, counts_from_begin=True),
    Fault(
        "PostgreSQL killed",
        lambda shop, _chance: shop.kill_database(),
        lambda shop, _chance: shop.database.start(),
        BLOW,
        DATABASE_SECONDS,
    ),
    Fault(
        "RabbitMQ killed",
        lambda shop, _chance: shop.broker.kill(),
        lambda shop, _chance: shop.broker.start(),
        BLOW,
        BROKER_SECONDS,
    ),
    Fault(
        "RabbitMQ away for a minute",
        lambda shop, _chance: shop.broker.kill(),
        lambda shop, _chance: shop.broker.start(),
        (45.0, 60.0),
        BROKER_SECONDS,
    ),
    Fault("RabbitMQ restarted", _restart_broker, _nothing, BLOW, BROKER_SECONDS),
    Fault(
        "worker frozen", _signaled("worker", signal.SIGSTOP), _signaled("worker", signal.SIGCONT), LASTS, WORKER_SECONDS
    ),
    Fault(
        "web server frozen", _signaled("web", signal.SIGSTOP), _signaled("web", signal.SIGCONT), LASTS, WORKER_SECONDS
    ),
    Fault(
        "PostgreSQL frozen",
        lambda shop, _chance: shop.signal_database(signal.SIGSTOP),
        lambda shop, _chance: shop.signal_database(signal.SIGCONT),
        LASTS,
        DATABASE_SECONDS,
    ),
    Fault(
        "RabbitMQ frozen",
        lambda shop, _chance: shop.broker.pause(),
        lambda shop, _chance: shop.broker.resume(),
        (4.0, 15.0),
        BROKER_SECONDS,
    ),
    Fault("all connections reset", _reset_all, _reset_all, (0.5, 2.0), WORKER_SECONDS),
    Fault("PostgreSQL half-open", _freeze("to_database"), _thaw("to_database"), LASTS, DATABASE_SECONDS),
    Fault("RabbitMQ half-open", _freeze("to_broker"), _thaw("to_broker"), (4.0, 15.0), BROKER_SECONDS),
    Fault("provider half-open", _freeze("to_provider"), _thaw("to_provider"), LASTS, PROVIDER_SECONDS),
    Fault(
        "provider down",
        lambda shop, _chance: shop.to_provider.refuse(),
        lambda shop, _chance: shop.to_provider.heal(),
        LASTS,
        PROVIDER_SECONDS,
    ),
    Fault("provider slow", _slow_provider, _heal_provider, LASTS, PROVIDER_SECONDS, hits=_hits_at_provider),
    Fault("provider's answers lost", _answers_lost, _heal_provider, LASTS, PROVIDER_SECONDS, hits=_hits_at_provider),
    Fault("broker disk alarm", _raise_disk_alarm, _end_disk_alarm, LASTS, BROKER_SECONDS),
    Fault("PostgreSQL out of connections", _hoard.begin, _hoard.end, LASTS, DATABASE_SECONDS),
)
# These lose the answer to a confirmation, which is what leaves a payment UNKNOWN. Half-open it most often is the making
# of an intent that is not answered: that promises nothing.
MAKING_UNKNOWN: Final = ("provider slow", "provider's answers lost")
NAMED: Final = {fault.name: fault for fault in FAULTS}


def heal(shop: ChaosShop) -> None:
    """End whatever a round that broke off may have left."""
    shop.thaw_processes()
    _hoard.end(shop, Random(0))
    for proxy in shop.proxies:
        proxy.heal()
