"""A throw-away RabbitMQ node: stopped, frozen, killed and started again without harm to any other."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import kombu
import pytest

from local.rabbitmq import RabbitmqError, ensure_rabbitmq
from tests.driver.rabbitmq import PrivateRabbitmq, server_script
from tests.driver.stopwatch import Stopwatch

pytestmark = [pytest.mark.rabbitmq, pytest.mark.timeout(300)]
QUEUE = kombu.Queue("kept", durable=True, queue_arguments={"x-queue-type": "quorum"})


@pytest.fixture(scope="module")
def node() -> Iterator[PrivateRabbitmq]:
    try:
        server_script()
    except RabbitmqError as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))
    with PrivateRabbitmq() as node:
        with kombu.Connection(node.url) as connection:
            QUEUE.bind(connection.default_channel).declare()
        # RabbitMQ 3.10 flushes who leads a new quorum queue some seconds late: killed before that, the queue never finds
        # a leader again and nacks after a minute. An orderly stop flushes it.
        node.stop()
        node.start()
        yield node


def publish(node: PrivateRabbitmq, body: str) -> None:
    with kombu.Connection(node.url, transport_options={"confirm_publish": True}) as connection:
        connection.Producer().publish(body, routing_key=QUEUE.name, declare=[QUEUE], delivery_mode=2)


def take(node: PrivateRabbitmq) -> str:
    with kombu.Connection(node.url) as connection:
        message = connection.SimpleQueue(QUEUE).get(timeout=60)  # type: ignore[arg-type]
        message.ack()
        return message.payload


def test_message_survives_a_kill(node: PrivateRabbitmq) -> None:
    publish(node, "before the kill")

    node.kill()
    assert ensure_rabbitmq(node.url) is None
    node.start()

    assert take(node) == "before the kill"


def test_message_survives_a_stop(node: PrivateRabbitmq) -> None:
    publish(node, "before the stop")

    node.stop()
    assert not node.is_running()
    node.start()

    assert take(node) == "before the stop"


def test_frozen_node_doesnt_answer_until_it_goes_on(node: PrivateRabbitmq) -> None:
    node.pause()
    with Stopwatch() as watch:
        assert ensure_rabbitmq(node.url, timeout_seconds=0.5) is None
    assert watch.seconds < 5

    node.resume()

    assert ensure_rabbitmq(node.url) == node.url


def test_two_nodes_know_nothing_of_each_other(node: PrivateRabbitmq) -> None:
    with PrivateRabbitmq() as other:
        other.kill()

        assert ensure_rabbitmq(node.url) == node.url


def test_closed_node_leaves_no_file_and_no_process() -> None:
    with PrivateRabbitmq() as node:
        directory = node.data_dir
        node.kill()
        # Who cleans up after this process would take the number for the node's, whoever has it by then.
        assert not (directory / "pid").exists()
        node.start()
        group = node._server.pid

    assert not directory.exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", node.port))
    assert not _runs_in_group(group)


def test_port_that_answers_but_speaks_no_amqp_is_no_broker() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"amqp://guest:guest@127.0.0.1:{silent.getsockname()[1]}//"

        assert ensure_rabbitmq(url, timeout_seconds=0.3) is None


def test_nothing_listening_is_no_broker() -> None:
    assert ensure_rabbitmq("amqp://guest:guest@127.0.0.1:1//") is None


def _runs_in_group(group: int) -> bool:
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            try:
                state, _parent, process_group = Path(entry, "stat").read_text().rpartition(")")[2].split()[:3]
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(process_group) == group and state != "Z":
                return True
    return False
