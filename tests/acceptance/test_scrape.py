"""What the alerts and the dashboard ask Prometheus for is what the real components answer, from their first scrape on."""

from __future__ import annotations

import json
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from django.db.models.functions import Now
from prometheus_client.parser import text_string_to_metric_families

from local.ports import free_port
from payments.models import Dispute
from shop import topology
from shop.events.broker import connect
from shop.ids import new_id
from tests.deploy.files import DOCKER
from tests.deploy.promql import parse
from tests.driver.factories import UserFactory
from tests.driver.processes import Shop, wait_until
from tests.driver.rabbitmq import PrivateRabbitmq, channel_of, insist_on_rabbitmq
from tests.driver.shopper import id_in
from tests.driver.tables import table_away
from tests.driver.tokens import token_of

# Prometheus makes it itself, of each target.
MADE_BY_PROMETHEUS = {"up"}
Page = dict[str, list[dict[str, str]]]


@contextmanager
def private_rabbitmq(*settings: str) -> Iterator[PrivateRabbitmq]:
    """Run a broker whose page is made as docker/rabbitmq/rabbitmq.conf says."""
    insist_on_rabbitmq()
    told = [
        line for line in (DOCKER / "rabbitmq/rabbitmq.conf").read_text().splitlines() if line.startswith("prometheus.")
    ]
    with PrivateRabbitmq(metrics_port=free_port(), settings="\n".join([*told, *settings])) as node:
        yield node


@pytest.fixture
def rabbitmq() -> Iterator[PrivateRabbitmq]:
    with private_rabbitmq() as node:
        yield node


def expressions() -> list[str]:
    rules = yaml.safe_load((DOCKER / "prometheus/alerts.yml").read_text())["groups"]
    dashboard = json.loads((DOCKER / "grafana/dashboards/shop.json").read_text())["panels"]
    return [rule["expr"] for group in rules for rule in group["rules"]] + [
        target["expr"] for panel in dashboard for target in panel.get("targets", ())
    ]


def path_of(job: str) -> str:
    """Return where Prometheus asks this job."""
    jobs = yaml.safe_load((DOCKER / "prometheus/prometheus.yml").read_text())["scrape_configs"]
    return next(str(each.get("metrics_path", "/metrics")) for each in jobs if each["job_name"] == job)


def scraped(*urls: str) -> Page:
    """Return the labels of every sample on these pages, by its name."""
    page: Page = defaultdict(list)
    for url in urls:
        for family in text_string_to_metric_families(requests.get(url, timeout=30).text):
            for sample in family.samples:
                page[sample.name].append(dict(sample.labels))
    return page


@pytest.mark.rabbitmq
@pytest.mark.timeout(600)
@pytest.mark.makes_facts_up
def test_each_metric_of_an_alert_or_a_panel_is_on_a_page_that_prometheus_scrapes(
    start_shop: Callable[..., Shop], rabbitmq: PrivateRabbitmq, mug: str, settings: Any, tmp_path: Path
):
    settings.BROKER_URL = rabbitmq.url
    with channel_of(connect()) as channel:
        topology.declare(channel)
    shop = start_shop(
        BROKER_URL=rabbitmq.url,
        EVENTS_NAMESPACE="",
        DJANGO_SETTINGS_MODULE="config.settings.development",
        SECRET_KEY="test-only-not-a-secret-" + "x" * 40,
        EMAIL_URL="dummymail://",
    )
    urls = [*urls_of(shop, tmp_path), f"http://127.0.0.1:{rabbitmq.metrics_port}{path_of('rabbitmq')}"]
    for url in urls:
        wait_until(partial(answers, url), f"{url} answers", shop)
    wait_until(lambda: answers(f"{shop.url}/ready"), "the shop is ready", shop)

    # What is counted as it happens: an order, its events, a page, and a table that cannot be read.
    answer = shop.place(token_of(UserFactory()))
    assert answer.status_code == 201
    Dispute.objects.create(
        dispute_id=new_id(), provider_dispute_id="dp_1", payment_id=id_in(answer), status="NEEDS_RESPONSE",
        amount_minor=1, currency="EUR", opened_at=Now(), evidence_due_at=Now() + timedelta(days=7),
    )  # fmt: skip
    wait_until(lambda: "shop_event_heard_seconds_bucket" in scraped(*urls), "its events are heard", shop)
    page = scraped(*urls)
    with table_away("orders", "orders_saga"):
        # Each of the web's processes looks for itself, at most every few seconds.
        failures = {"shop_figure_unreadable", "django_db_errors_total"}
        wait_until(lambda: page.update(scraped(*urls)) or failures <= page.keys(), "a figure is unreadable", shop)

    asked = {
        (metric, label)
        for expression in expressions()
        for metric, labels in parse(expression).labels.items()
        for label in labels | {""}
        if metric not in MADE_BY_PROMETHEUS
    }
    missing = sorted(
        f"{metric}{{{label}}}"
        for metric, label in asked
        if not any(not label or label in labels for labels in page.get(metric, ()))
    )
    assert len(asked) > 50
    assert not missing, "\n".join(missing)
    assert page["rabbitmq_alarms_memory_used_watermark"]


def urls_of(shop: Shop, folder: Path) -> list[str]:
    """Start a web process and a worker as the image does; return where Prometheus asks them."""
    ports = {"web": free_port(), "worker": free_port()}
    for job in ports:
        (folder / job).mkdir()
    shop.run(
        "worker", "-m", "celery", "-A", "config", "worker", "--concurrency=2", "--loglevel=INFO",
        f"--hostname=w{uuid.uuid4().hex[:6]}", "--without-heartbeat", "--without-gossip", "--without-mingle",
        METRICS_PORT=str(ports["worker"]), PROMETHEUS_MULTIPROC_DIR=str(folder / "worker"),
    )  # fmt: skip
    shop.run(
        "web", "-m", "gunicorn", "-c", "docker/gunicorn.conf.py", "--bind", f"127.0.0.1:{shop.port}", "config.wsgi",
        HEALTH_PORT=str(ports["web"]), PROMETHEUS_MULTIPROC_DIR=str(folder / "web"),
    )  # fmt: skip
    return [f"http://127.0.0.1:{port}{path_of(job)}" for job, port in ports.items()]


@pytest.mark.rabbitmq
def test_a_broker_without_memory_says_so_where_prometheus_asks():
    with private_rabbitmq("vm_memory_high_watermark.absolute = 1MB") as node:
        page = requests.get(f"http://127.0.0.1:{node.metrics_port}{path_of('rabbitmq')}", timeout=30).text

    assert "\nrabbitmq_alarms_memory_used_watermark 1\n" in page
    assert "\nrabbitmq_alarms_free_disk_space_watermark 0\n" in page


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False
