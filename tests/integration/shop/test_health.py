"""/health lives on its own; /ready asks the databases; a broker that is away makes it degraded only."""

import socket
from pathlib import Path

import pytest
from django.db import OperationalError, connections
from django.db.migrations.recorder import MigrationRecorder

import shop
from shop.rest import health


@pytest.fixture(autouse=True)
def asked_afresh():
    health.readiness_cache.clear()
    health._migrated.clear()
    yield
    health.readiness_cache.clear()
    health._migrated.clear()


@pytest.fixture
def closed_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def away(*_arguments):
    raise OperationalError("connection refused at db:5432")


def test_health_asks_no_database(anonymous, monkeypatch):
    with monkeypatch.context() as broken:
        for alias in connections:
            broken.setattr(connections[alias], "cursor", away)
        response = anonymous.call("get", "/health")

    assert (response.status_code, response.json()) == (200, {"status": "ok"})


def test_ready_where_everything_answers(anonymous):
    response = anonymous.call("get", "/ready")

    assert response.status_code == 200
    assert response.json()["status"] == "ready"
    assert response.json()["checks"]["database:default"] == "ok"
    assert response.json()["checks"]["migrations:default"] == "ok"


def test_a_database_that_is_away_is_503_by_its_name_only(anonymous, monkeypatch, closed_port):
    with monkeypatch.context() as broken:
        broken.setitem(connections.settings["default"], "PORT", closed_port)
        broken.setitem(connections.settings["default"], "HOST", "127.0.0.1")
        response = anonymous.call("get", "/ready")

    assert response.status_code == 503
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["detail"] == "failing: database:default"
    assert response.json()["facts"]["checks"]["database:default"] == "OperationalError"
    assert str(closed_port) not in response.content.decode()


def test_a_migration_that_is_missing_is_503(anonymous):
    recorder = MigrationRecorder(connections["default"])
    newest = max(path.stem for path in (Path(shop.__file__).parent / "migrations").glob("0*.py"))
    recorder.record_unapplied("shop", newest)
    try:
        response = anonymous.call("get", "/ready")
    finally:
        recorder.record_applied("shop", newest)

    assert response.status_code == 503
    assert response.json()["facts"]["checks"]["migrations:default"] == "NotMigrated"


def test_a_broker_that_is_away_is_degraded_and_still_200(anonymous, settings, closed_port):
    settings.BROKER_URL = f"amqp://guest:secret@127.0.0.1:{closed_port}//"

    response = anonymous.call("get", "/ready")

    assert response.status_code == 200
    assert response.json()["status"] == "degraded"
    assert response.json()["checks"]["broker"] != "ok"
    assert "secret" not in response.content.decode()


def test_a_broker_that_takes_connections_and_says_nothing_is_degraded_and_still_200(anonymous, settings):
    with socket.create_server(("127.0.0.1", 0)) as frozen:
        settings.BROKER_URL = f"amqp://guest:secret@127.0.0.1:{frozen.getsockname()[1]}//"
        response = anonymous.call("get", "/ready")

    assert response.status_code == 200
    assert response.json()["status"] == "degraded"
    assert response.json()["checks"]["database:default"] == "ok"
    assert response.json()["checks"]["broker"] != "ok"


def test_a_silent_broker_takes_no_time_from_the_databases(anonymous, settings, monkeypatch):
    monkeypatch.setattr(health, "READY_LIMIT_SECONDS", 5.0)
    monkeypatch.setattr(health, "BROKER_LIMIT_SECONDS", 60)
    with socket.create_server(("127.0.0.1", 0)) as frozen:
        settings.BROKER_URL = f"amqp://guest:secret@127.0.0.1:{frozen.getsockname()[1]}//"
        response = anonymous.call("get", "/ready")

    assert response.status_code == 200
    assert response.json()["checks"] | {"broker": "?"} == {
        **{f"database:{alias}": "ok" for alias in connections},
        **{f"migrations:{alias}": "ok" for alias in connections},
        "broker": "?",
    }
    assert response.json()["checks"]["broker"] == "Unanswered"


def test_answers_are_kept_for_a_second(anonymous, monkeypatch):
    asked = []
    monkeypatch.setattr(health, "readiness_in_time", lambda: asked.append(1) or health.Readiness({}, {}, {}))

    anonymous.call("get", "/ready")
    anonymous.call("get", "/ready")

    assert asked == [1]
