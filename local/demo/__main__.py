"""`make demo`: every journey of an order over HTTP, faults included, told as it happens, and audited at the end.

It starts the whole shop with an empty database of its own, and stops it again. With DATABASE_URL the database is made
beside the one that is named; with BROKER_URL events go over RabbitMQ to Celery workers.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

from local.demo.customers import JourneyFailed, Shopper
from local.demo.journey import Journey, say
from local.demo.journeys import JOURNEYS
from local.processes import StartFailed
from local.stack import Stack, prepare_django

# Short clocks, so that the journeys which wait for one do not wait for a quarter of an hour.
CLOCKS = {
    "RESERVATION_TTL_SECONDS": "10",
    # A long one: which answers are lost is said by the journeys, and not by a slow machine.
    "STRIPE_TIMEOUT_SECONDS": "60",
    "SAGA_LEASE_SECONDS": "3",
    "SHIPPING_CARRIER": "sandbox",
    "SANDBOX_CARRIER_TRANSIT_SECONDS": "1",
    "BREAKER_MINIMUM_CALLS": "50",
    "PRICING_RULES_SECONDS": "1",
    "LOG_FORMAT": "json",
    "DJANGO_SETTINGS_MODULE": "config.settings.development",
}


def main() -> int:
    """Run the demo; 0 only if every journey ended as it should and the audit is clean."""
    began = time.monotonic()
    leave_the_provider_alone(os.environ)
    home = Path(tempfile.mkdtemp(prefix="shop-demo-"))
    try:
        with _own_names():
            return _run(home, began)
    except (StartFailed, JourneyFailed) as error:
        say(f"\n{error}")
        say(f"the logs are in {home / 'log'}")
        home = Path()
        return 1
    finally:
        if home != Path():
            shutil.rmtree(home, ignore_errors=True)


def leave_the_provider_alone(environment: MutableMapping[str, str]) -> None:
    """Forget whose provider the environment names: the demo's money is never real, and its sandbox is told to fail."""
    for name in [*environment]:
        if name.startswith("STRIPE_") or name == "PAYMENT_PROVIDER":
            del environment[name]


def _run(home: Path, began: float) -> int:
    settings = CLOCKS | {"EMAIL_URL": f"filemail:///{home / 'mail'}"}
    stack = Stack(home=home, keeps_state=False, settings=settings)
    try:
        stack.start_database()
        say(f"PostgreSQL       {'from the wheel' if stack.postgres else 'the server that DATABASE_URL names'}")
        prepare_django()
        from django.core.management import call_command

        call_command("seed_demo", prices=True, verbosity=0)
        stack.start_services(say=say)
        say(f"ready after {time.monotonic() - began:.1f} s")
        shopper = Shopper(stack)
        failed = []
        running: list[Journey] = []
        for kind in JOURNEYS:
            journey = kind(shopper)
            say(f"\n=== {journey.title}")
            journey.begin()
            if journey.takes_long:
                say("    ... goes on while the others run; its end comes last")
                running.append(journey)
            else:
                failed += journey.finish()
        for journey in running:
            say(f"\n=== {journey.title}: the end")
            failed += journey.finish()
        say("\n=== The audit")
        stack_is_clean = _audit()
        say(f"\n{len(JOURNEYS) - len(set(failed))} of {len(JOURNEYS)} journeys ended as they should", end="")
        say(f"; the audit is {'clean' if stack_is_clean else 'NOT clean'}; {time.monotonic() - began:.0f} s in all")
        for title in failed:
            say(f"FAILED: {title}")
        if failed or not stack_is_clean:
            for process in stack.processes.values():
                say(f"\nthe end of the log of {process.name}:\n{process.tail(15)}")
        return 0 if not failed and stack_is_clean else 1
    finally:
        stack.stop()


def _audit() -> bool:
    from django.core.management import CommandError, call_command

    # Orders count as still once they have been so for a few seconds.
    time.sleep(6)
    try:
        call_command("audit")
    except CommandError as error:
        say(str(error))
        return False
    return True


@contextlib.contextmanager
def _own_names() -> Iterator[None]:
    """Give the demo a database and queues of its own on servers that the environment names; drop them at the end."""
    name = f"shop_demo_{uuid.uuid4().hex[:8]}"
    server = os.environ.get("DATABASE_URL")
    broker = os.environ.get("BROKER_URL")
    if broker:
        os.environ["EVENTS_NAMESPACE"] = f"{name}."
    if server:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        at = urlsplit(server)
        os.environ["DATABASE_URL"] = urlunsplit((at.scheme, at.netloc, f"/{name}", at.query, ""))
    try:
        yield
    finally:
        if server:
            from django.db import connections

            connections.close_all()
            with psycopg.connect(server, autocommit=True) as connection:
                connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        if broker:
            from shop import topology
            from shop.events.broker import connect

            with connect(broker) as connection:
                topology.delete(connection.channel())


if __name__ == "__main__":
    sys.exit(main())
