"""The sandbox as a process: what it knows survives kill -9 and restarts."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import stripe

from local.stripe import Sandbox

from .clients import Control, Receiver, Shop, until

ROOT = Path(__file__).parents[4]
Launch = Callable[..., tuple[subprocess.Popen[str], str]]


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    started: list[subprocess.Popen[str]] = []

    def start(*more: str) -> tuple[subprocess.Popen[str], str]:
        command = [sys.executable, "-m", "local.stripe", "--port", "0"]
        command += ["--database", str(tmp_path / "var" / "sandbox.sqlite3"), *more]
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, "STRIPE_API_KEY": ""}, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        return process, line.rsplit(" ", 1)[1].strip()

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_killed_between_effect_and_answer_it_still_knows_both(launch: Launch) -> None:
    process, url = launch()
    shop, control = Shop(url), Control(url)
    intent = shop.authorized(metadata={"order_id": "o1"})
    control.fault("late", path="/v1/payment_intents/*/capture", delay_seconds=60)
    with pytest.raises(stripe.APIConnectionError):
        Shop(url, timeout=0.5).intents.capture(intent.id, {}, {"idempotency_key": "c1"})
    until(lambda: control.get("faults")["faults"][0]["hits"])

    process.kill()
    process.wait()
    _, url = launch()

    shop = Shop(url)
    assert shop.intents.retrieve(intent.id).status == "succeeded"
    replay = shop.intents.capture(intent.id, {}, {"idempotency_key": "c1"})
    assert replay.last_response.headers["Idempotent-Replayed"] == "true"  # type: ignore[attr-defined]
    ledger = Control(url).get("ledger?order_id=o1")
    assert (ledger["totals"]["eur"]["captures"], ledger["totals"]["eur"]["captured"]) == (1, 5000)


def test_killed_before_the_effect_nothing_has_happened(launch: Launch) -> None:
    process, url = launch()
    shop, control = Shop(url), Control(url)
    intent = shop.authorized()
    control.fault("late_effect", path="/v1/payment_intents/*/capture", delay_seconds=60)
    with pytest.raises(stripe.APIConnectionError):
        Shop(url, timeout=0.5).intents.capture(intent.id, {}, {"idempotency_key": "c1"})
    until(lambda: control.get("faults")["faults"][0]["hits"])

    process.kill()
    process.wait()
    _, url = launch()

    shop = Shop(url)
    assert shop.intents.retrieve(intent.id).status == "requires_capture"
    assert shop.intents.capture(intent.id, {}, {"idempotency_key": "c1"}).status == "succeeded"


def test_deliveries_owed_at_the_end_are_made_after_a_restart(launch: Launch, receiver: Receiver) -> None:
    options = ("--webhook-url", receiver.url, "--webhook-secret", "whsec_kept")
    process, url = launch(*options)
    Control(url).post("webhooks", {"paused": True})
    Shop(url).create()
    process.kill()
    process.wait()
    assert receiver.received == []

    launch(*options)

    until(lambda: receiver.received)
    assert stripe.Webhook.construct_event(*receiver.received[0], "whsec_kept").type == "payment_intent.created"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_stops_it_cleanly_even_while_a_request_hangs(launch: Launch, number: signal.Signals) -> None:
    process, url = launch()
    Control(url).fault("never", method="GET", delay_seconds=60)
    with pytest.raises(stripe.APIConnectionError):
        Shop(url, timeout=0.2).intents.list()
    Control(url).fault("late_effect", delay_seconds=60)
    with pytest.raises(stripe.APIConnectionError):
        Shop(url, timeout=0.2).create()

    process.send_signal(number)

    assert process.wait(timeout=60) == 0
    _, url = launch()
    assert Shop(url).intents.list().data == []


def test_effect_and_answer_are_written_together_or_not_at_all(tmp_path: Path) -> None:
    database = str(tmp_path / "sandbox.sqlite3")
    with Sandbox(database=database) as sandbox:
        shop = Shop(sandbox.url)
        with contextlib.closing(sqlite3.connect(database)) as disk:
            disk.execute("CREATE TRIGGER full BEFORE INSERT ON answers BEGIN SELECT raise(ABORT, 'disk full'); END")

            with pytest.raises(stripe.APIError) as caught:
                shop.authorized(key="k1")

            disk.execute("DROP TRIGGER full")
        assert caught.value.http_status == 500
        assert shop.intents.list().data == []
        assert shop.event_types() == []
        assert shop.authorized(key="k1").status == "requires_capture"


def test_one_file_is_one_account_for_sandboxes_in_turn(tmp_path: Path) -> None:
    database = str(tmp_path / "sandbox.sqlite3")
    with Sandbox(database=database) as first:
        Control(first.url).post("clock", {"advance_seconds": 500})
        intent = Shop(first.url).create(key="k1")
        port = int(first.url.rsplit(":", 1)[1])

    with Sandbox(database=database, port=port) as second:
        assert Shop(second.url).create(key="k1").id == intent.id
        assert Control(second.url).get("health")["time"] >= intent.created


def test_stopped_sandbox_refuses_connections() -> None:
    sandbox = Sandbox().start()
    shop = Shop(sandbox.url)
    shop.create()

    sandbox.stop()
    sandbox.stop()

    with pytest.raises(stripe.APIConnectionError):
        shop.create()
