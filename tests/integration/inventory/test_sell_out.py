"""A sale to the last piece: threads of one process, and several processes, get exactly what there is, and all of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter

import pytest
from prometheus_client import REGISTRY

from inventory.models import Outbox, Reservation, ReservationLine
from tests.driver.processes import database_urls
from tests.integration.inventory.buyers import buy_all
from tests.integration.inventory.reservations import levels

pytestmark = pytest.mark.usefixtures("audited")

STOCK = {"CUP": 40, "MUG": 25, "PAN": 10}


def put_on_the_shelf(shelf) -> None:
    for sku, quantity in STOCK.items():
        shelf(sku, quantity)


def hold_to_the_stock(told: dict[int, str]) -> None:
    """Every order was told one thing, which is on record with one fact; and nothing that somebody wanted is left."""
    assert set(told.values()) == {"PAYING", "SHORT"}
    assert Counter(Reservation.objects.values_list("status", flat=True)) == Counter(told.values())
    facts = Counter(Outbox.objects.filter(type__in=["stock.reserved", "stock.short"]).values_list("type", flat=True))
    assert facts == {"stock.reserved": Counter(told.values())["PAYING"], "stock.short": Counter(told.values())["SHORT"]}
    for sku, quantity in STOCK.items():
        lines = ReservationLine.objects.filter(sku=sku, reservation__status="PAYING")
        taken = sum(lines.values_list("quantity", flat=True))
        assert levels(sku) == (quantity - taken, taken, 0)
        assert taken == quantity, f"{sku} is left, though there were orders for one piece of it alone"
    assert Outbox.objects.filter(type="stock.low").count() == len(STOCK)


def test_threads_sell_the_last_piece_and_no_more(shelf, both_ways):
    put_on_the_shelf(shelf)
    batches = REGISTRY.get_sample_value("shop_batch_wishes_count", {"use_case": "reserve_stock"}) or 0

    told = buy_all(range(240))

    hold_to_the_stock(told)
    after = REGISTRY.get_sample_value("shop_batch_wishes_count", {"use_case": "reserve_stock"}) or 0
    assert (after > batches) == (both_ways == "together")


def test_processes_sell_the_last_piece_and_no_more(shelf):
    put_on_the_shelf(shelf)
    environment = {
        **database_urls(),
        "DJANGO_SETTINGS_MODULE": "config.settings.test",
        "COALESCE": "true",
        "PYTHONWARNINGS": "error",
    }
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.integration.inventory.buyers", f"{first}-{first + 80}"],
            env=environment,
            stdout=subprocess.PIPE,
        )
        for first in (0, 80, 160)
    ]
    told: dict[int, str] = {}
    for process in processes:
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        told |= {int(number): answer for number, answer in json.loads(output).items()}

    hold_to_the_stock(told)
