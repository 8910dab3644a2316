"""/metrics: what processes counted, and what the database knows - or that it cannot be read."""

import pytest
from django.db import OperationalError, connections
from prometheus_client.parser import text_string_to_metric_families

from inventory.models import Outbox
from shop import transactions
from shop.events import inbox, outbox
from shop.ids import new_id
from shop.observability import metrics


@pytest.fixture(autouse=True)
def read_afresh(monkeypatch):
    monkeypatch.setattr(metrics, "database_collector", metrics.DatabaseCollector())


def samples(response):
    assert response.status_code == 200
    families = text_string_to_metric_families(response.content.decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def figure(found, name, **labels):
    return found[name, tuple(sorted(labels.items()))]


def waiting_event():
    with transactions.transaction("inventory"):
        Outbox.objects.create(
            event_id=new_id(),
            type="stock.low",
            schema_version=1,
            aggregate_id=new_id(),
            aggregate_version=1,
            payload={},
        )


def test_the_bus_is_counted_per_context(anonymous):
    hearing = inbox.hearing_contexts()[0]
    waiting_event()
    inbox.bury(context=hearing, subscriber=f"{hearing}.nobody", attributes={"id": "x"}, error="unreadable")

    found = samples(anonymous.call("get", "/metrics"))

    assert figure(found, "shop_outbox_waiting", context="inventory") == 1
    assert figure(found, "shop_outbox_oldest_seconds", context="inventory") >= 0
    assert figure(found, "shop_outbox_quarantined", context="inventory") == 0
    assert figure(found, "shop_dead_letters", context=hearing) == 1
    assert figure(found, "shop_deliveries_retrying", context=hearing) == 0
    assert {figure(found, "shop_database_readable", context=name) for name in outbox.publishing_contexts()} == {1}


def test_what_processes_counted_is_there_too(anonymous):
    anonymous.call("get", "/health")

    found = samples(anonymous.call("get", "/metrics"))

    assert figure(found, "django_http_responses_total_by_status_total", status="200") >= 1


def test_a_database_that_cannot_be_read_costs_its_figures_only(anonymous, monkeypatch):
    def away():
        raise OperationalError("gone")

    gauge = metrics.Gauge("shop_test_figure", "A figure", "inventory", (), away)
    monkeypatch.setitem(metrics._gauges, ("shop_test_figure", "inventory"), gauge)

    found = samples(anonymous.call("get", "/metrics"))

    assert figure(found, "shop_database_readable", context="inventory") == 0
    assert ("shop_outbox_waiting", (("context", "inventory"),)) not in found


def test_a_slow_figure_costs_itself_only_and_is_asked_again_after_a_minute(monkeypatch, database):
    now, asked = [100.0], []

    def slow():
        asked.append(1)
        with connections[transactions.alias_for("inventory")].cursor() as cursor:
            cursor.execute("SELECT pg_sleep(20)")
        return {(): 1}

    monkeypatch.setattr(metrics, "STATEMENT_TIMEOUT_MILLISECONDS", 1500)
    gauge = metrics.Gauge("shop_test_figure", "A figure", "inventory", (), slow)
    monkeypatch.setitem(metrics._gauges, ("shop_test_figure", "inventory"), gauge)
    collector = metrics.DatabaseCollector(clock=lambda: now[0])

    def read():
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in collector.collect()
            for sample in family.samples
        }

    first = read()
    now[0] = 110.0
    second = read()
    tried = len(asked)
    now[0] = 200.0
    read()

    for found in (first, second):
        assert found["shop_outbox_waiting", "inventory"] == 0
        assert found["shop_database_readable", "inventory"] == 1
        assert found["shop_figure_unreadable", "inventory", "shop_test_figure"] == 1
    assert tried == 2, "with the others, and alone"
    assert len(asked) == 4


def test_a_bug_in_one_figure_does_not_blind_the_others(anonymous, monkeypatch):
    def read_in_vain():
        raise KeyError("bug")

    gauge = metrics.Gauge("shop_test_figure", "A figure", "inventory", (), read_in_vain)
    monkeypatch.setitem(metrics._gauges, ("shop_test_figure", "inventory"), gauge)

    found = samples(anonymous.call("get", "/metrics"))

    assert figure(found, "shop_outbox_waiting", context="inventory") == 0
    assert figure(found, "shop_database_readable", context="inventory") == 1


def test_figures_are_read_once_in_a_while(monkeypatch, database):
    now, asked = [100.0], []
    gauge = metrics.Gauge("shop_test_figure", "A figure", "inventory", (), lambda: asked.append(1) or {(): 1})
    monkeypatch.setattr(metrics, "_gauges", {("shop_test_figure", "inventory"): gauge})
    collector = metrics.DatabaseCollector(clock=lambda: now[0])

    for moment in (100.0, 104.9, 105.0):
        now[0] = moment
        list(collector.collect())

    assert asked == [1, 1]


def test_a_figure_can_only_read(monkeypatch, database):
    gauge = metrics.Gauge(
        "shop_test_figure", "A figure", "inventory", (), lambda: {(): Outbox.objects.all().delete()[0]}
    )
    monkeypatch.setattr(metrics, "_gauges", {("shop_test_figure", "inventory"): gauge})
    waiting_event()

    list(metrics.DatabaseCollector().collect())

    assert Outbox.objects.count() == 1
