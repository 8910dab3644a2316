"""`python -m tests.load.auditing [ORDERS]`: what the audit costs, in seconds of CPU for 20,000 orders.

Orders of every end are made by use cases, and copied (growing.py) in every context and in the sandbox, so that the provider
knows them all. The command runs as a process of its own: its CPU and PostgreSQL's count, the sandbox's does not. Prints
JSON, and what the command itself printed where it found something.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

from local.processes import ROOT, python
from tests.load.growing import multiply
from tests.load.machine import cpu_seconds
from tests.load.stack import Cluster

ORDERS = 20_000
SEEDS = 100
SALT = "audited"
# How each tenth of the seeds ends.
ENDS = ("DELIVERED",) * 6 + ("CONFIRMED", "CONFIRMED", "CANCELED", "REFUNDED")


def main() -> None:
    orders = int(sys.argv[1]) if len(sys.argv) > 1 else ORDERS
    with tempfile.TemporaryDirectory() as home, Cluster(home=Path(home), durable=False, broker=False) as cluster:
        os.environ |= {
            "DATABASE_URL": cluster.make_database("audited"), "DJANGO_SETTINGS_MODULE": "tests.load.settings",
            "BROKER_URL": "", "LOG_LEVEL": "WARNING", "EMAIL_URL": "dummymail://",
        }  # fmt: skip
        sys.stdout.write(f"{json.dumps(_measure(cluster, orders))}\n")


def _measure(cluster: Cluster, orders: int) -> dict[str, Any]:
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connections

    from local.stripe.server import Sandbox
    from tests.driver.ageing import grow_two_hours_older

    call_command("migrate", verbosity=0)
    with Sandbox() as sandbox:
        os.environ["STRIPE_API_BASE"] = settings.STRIPE_API_BASE = sandbox.url
        _make_seeds()
        # The past, as nearly all of a shop's orders are: so whatever is judged after some time is judged.
        grow_two_hours_older()
        connections.close_all()
        url, copies = os.environ["DATABASE_URL"], orders // SEEDS - 1
        multiply(url, copies=copies, salt=SALT)
        _copy_at_provider(sandbox._store, copies)
        _settle(url)
        _run("version")  # what a command costs before it begins
        start = _used()
        postgres = [cluster.postgres._postmaster.pid() or 0]
        before, began = cpu_seconds(postgres), time.monotonic()
        done = _run("audit", *sys.argv[2:])
        took, used = time.monotonic() - began, _used() - start
        if done.returncode:
            sys.stdout.write(f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}\n")
    per = ORDERS / orders
    return {
        "orders": orders,
        "exit_code": done.returncode,
        "seconds": round(took, 2),
        "cpu_seconds_for_20000_orders": {
            "start": round(start, 2),
            "audit": round((used - start) * per, 2),
            "postgres": round((cpu_seconds(postgres) - before) * per, 2),
        },
        "most_memory_mb": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024),
    }


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        python("manage.py", *arguments), cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, check=False
    )


def _used() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _make_seeds() -> None:
    from django.db import connection

    from inventory import api as inventory
    from orders.models import Saga
    from orders.queries import Address
    from orders.rules import CancelReason
    from orders.sagas.entry import cancel_order, place_order, resume
    from orders.services import NewOrder
    from shop.events import unheard
    from shop.money import Money

    unheard.note_subscriptions()
    inventory.add_product(sku="MUG", name="Mug", price=Money(1250, "EUR"))
    inventory.receive_stock(sku="MUG", quantity=10 * SEEDS, reference="delivery")
    address = Address(name="Ada", line1="1 Street", line2="", city="Lisbon", region="", postal_code="1", country="PT")
    for number in range(SEEDS):
        end = ENDS[number % len(ENDS)]
        new = NewOrder(
            customer_id=uuid.uuid4(), idempotency_key=str(number), fingerprint="0" * 64, lines=(("MUG", 1),),
            email="ada@shop.example", shipping_address=address,
            payment_method="pm_card_chargeDeclinedStolenCard" if end == "CANCELED" else "pm_card_visa",
        )  # fmt: skip
        order_id = place_order(new=new, inline=False).order_id
        resume(order_id=order_id)
        _drain()
        if end == "REFUNDED":
            cancel_order(order_id=order_id, reason=CancelReason.CUSTOMER_REQUEST)
        elif end == "DELIVERED":
            with connection.cursor() as cursor:
                cursor.execute(
                    "UPDATE shipping_sandboxbooking SET booked_at = booked_at - interval '1 year';"
                    " UPDATE shipping_shipment SET due_at = now() WHERE order_id = %s",
                    [order_id],
                )
        _drain()
    Saga.objects.update(finished_at="2026-01-01T00:00:00Z")


def _drain() -> None:
    from shop.events import relay
    from tests.driver.sweeps import order_sweeps

    while relay.drain_all() + sum(sweep.run() for sweep in order_sweeps()):
        pass


def _copy_at_provider(store: Any, copies: int) -> None:
    """Give the provider the intents that the copied payments name, under the ids that growing.py gave them."""

    def copied(text: str, n: int) -> str:
        return hashlib.md5(f"{text}{SALT}{n}".encode()).hexdigest()

    store.alone("UPDATE objects SET created = created - 7200")
    for kind in ("charge", "payment_intent"):
        bodies = [json.loads(row[0]) for row in store.alone("SELECT body FROM objects WHERE kind = ?", (kind,))]
        for n in range(1, copies + 1):
            with store.transaction() as tx:
                for body in bodies:
                    order_id = body["metadata"]["order_id"]
                    body_n = body | {
                        "id": copied(body["id"], n),
                        "metadata": body["metadata"] | {"order_id": str(uuid.UUID(copied(order_id, n)))},
                        "created": body["created"] - 7200,
                    }
                    for name in ("latest_charge", "payment_intent"):
                        if body.get(name):
                            body_n[name] = copied(body[name], n)
                    tx.insert(body_n, kind=kind, payment_intent=body_n.get("payment_intent"))


def _settle(url: str) -> None:
    """Bring stock to its copied ledger."""
    import psycopg

    with psycopg.connect(url, autocommit=True, options="-c search_path=inventory,orders,shop") as connection:
        connection.execute(
            "UPDATE inventory_stock AS s SET (available, reserved, sold, received, written_off, version) = (SELECT"
            " sum(available_delta), sum(reserved_delta), sum(sold_delta), sum(received_delta), sum(written_off_delta),"
            " 1 + count(*) FROM inventory_stockmovement AS m WHERE m.sku = s.sku)"
        )
        connection.execute("CHECKPOINT")


if __name__ == "__main__":
    main()
