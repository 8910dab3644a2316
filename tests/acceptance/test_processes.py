"""Processes that die and a broker that is away: no order is lost, none is charged twice."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest
import requests

from local.rabbitmq import RabbitmqError
from orders.models import Order, Outbox
from tests.driver.factories import UserFactory
from tests.driver.orders import status_of
from tests.driver.processes import Shop, wait_until
from tests.driver.provider import Provider
from tests.driver.rabbitmq import PrivateRabbitmq, server_script
from tests.driver.shopper import id_in
from tests.driver.tokens import token_of


@pytest.mark.timeout(400)
def test_a_web_server_killed_between_charge_and_confirmation_completes_with_one_charge(
    start_shop: Callable[..., Shop], sandbox: Provider, mug: str
):
    shop = start_shop()
    web = shop.start_web()
    token = token_of(UserFactory())
    sandbox.fail("late", "/v1/payment_intents/*/capture", delay_seconds=60)
    lost: list[object] = []

    def buy() -> None:
        try:
            lost.append(shop.place(token))
        except requests.ConnectionError as error:
            lost.append(error)

    buyer = Thread(target=buy)
    buyer.start()
    sandbox.wait_until_hit()
    order_id = Order.objects.get().pk
    wait_until(lambda: sandbox.money(order_id) == (1, 1250), "the provider has the money", shop)

    web.kill()
    buyer.join()
    assert isinstance(lost[0], requests.ConnectionError)
    assert status_of(order_id) == "CONFIRMING"
    shop.start_web()
    shop.run("background", "manage.py", "run_background")

    wait_until(lambda: shop.order(token, order_id)["status"] != "CONFIRMING", "the order is completed", shop)
    assert shop.order(token, order_id)["status"] in {"CONFIRMED", "SHIPPED", "DELIVERED"}
    assert sandbox.money(order_id) == (1, 1250)
    shop.stop()


@pytest.fixture(scope="module")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory):
    try:
        server_script()
    except RabbitmqError as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))
    with PrivateRabbitmq() as node:
        yield node


@pytest.mark.rabbitmq
@pytest.mark.timeout(600)
def test_orders_are_taken_while_rabbitmq_is_away_and_their_events_flow_once_it_is_back(
    start_shop: Callable[..., Shop], rabbitmq: PrivateRabbitmq, sandbox: Provider, mug: str, tmp_path: Path
):
    shop = start_shop(
        BROKER_URL=rabbitmq.url,
        EVENTS_NAMESPACE=f"t{uuid.uuid4().hex[:8]}.",
        DJANGO_SETTINGS_MODULE="config.settings.development",
        SECRET_KEY="test-only-not-a-secret-" + "x" * 40,
        EMAIL_URL=f"filemail:///{tmp_path / 'mail'}",
        SANDBOX_CARRIER_TRANSIT_SECONDS="0",
    )
    worker = shop.run(
        "worker", "-m", "celery", "-A", "config", "worker", "--concurrency=2", "--loglevel=INFO",
        "--without-heartbeat", "--without-gossip", "--without-mingle",
    )  # fmt: skip
    shop.start_web(workers=1)
    token = token_of(UserFactory())
    before = shop.place(token)
    assert (before.status_code, before.json()["status"]) == (201, "CONFIRMED"), before.text
    wait_until(lambda: heard_of(id_in(before)), "the events of an order flow", shop)

    rabbitmq.stop()
    during = shop.place(token)

    order_id = id_in(during)
    assert (during.status_code, during.json()["status"]) == (201, "CONFIRMED"), during.text
    assert sandbox.money(order_id) == (1, 1250)
    assert not heard_of(order_id)
    assert Outbox.objects.filter(aggregate_id=order_id, published_at=None).count() == 3
    assert requests.get(f"{shop.url}/ready", timeout=30).json()["status"] == "degraded"
    rabbitmq.start()
    wait_until(lambda: heard_of(order_id), "its events flow once the broker is back", shop)
    wait_until(
        lambda: not Outbox.objects.filter(aggregate_id=order_id, published_at=None).exists(), "all are published", shop
    )
    assert worker.is_running(), worker.tail()
    shop.stop()


def heard_of(order_id: uuid.UUID) -> bool:
    """Say whether shipping and notifications have heard that the order is confirmed."""
    from notifications import api as notifications
    from shipping import api as shipping

    return shipping.get_shipment(order_id=order_id) is not None and bool(notifications.list_emails(order_id=order_id))
