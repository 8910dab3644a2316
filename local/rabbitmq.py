"""RabbitMQ on this machine: ask whether one answers, and install one for CI.

The shop itself needs none of this; it is given BROKER_URL.
"""

import contextlib
import os
import shutil
import subprocess
from typing import Final

import amqp
import kombu

from local.waiting import wait_until

DEFAULT_URL: Final = "amqp://guest:guest@127.0.0.1:5672//"
START_TIMEOUT_SECONDS: Final = 90.0


class RabbitmqError(RuntimeError):
    """No broker can be had here; the message says what to do about it."""


def ensure_rabbitmq(url: str | None = None, *, timeout_seconds: float = 5.0) -> str | None:
    """Give the URL if a broker there completes the AMQP handshake and login in time, else None."""
    url = url or DEFAULT_URL
    broker = kombu.Connection(url, connect_timeout=timeout_seconds, heartbeat=0)
    try:
        broker.connect()
    except (OSError, amqp.exceptions.AMQPError):
        return None
    finally:
        with contextlib.suppress(OSError):
            broker.release()
    return url


def install_and_start_rabbitmq(url: str = DEFAULT_URL) -> str:
    """Make sure that a broker answers on this machine, on Debian by installing and starting one; give its URL.

    Raises:
        RabbitmqError: none answers and none can be started.
    """
    if ensure_rabbitmq(url):
        return url
    if os.geteuid() != 0:
        raise RabbitmqError("No broker answers at 127.0.0.1:5672: start one, or set BROKER_URL (only root installs).")
    if not shutil.which("rabbitmq-server"):
        if not shutil.which("apt-get"):
            raise RabbitmqError("No RabbitMQ here, and no apt-get to install it: start one and set BROKER_URL.")
        _command(["apt-get", "update", "--quiet"])
        _command(["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", "rabbitmq-server"])
    # Installing it starts it, except where a policy forbids services, as images of containers do.
    if not wait_until(lambda: ensure_rabbitmq(url) is not None, seconds=5, every_seconds=0.1):
        _command(["rabbitmq-server", "-detached"])
    if not wait_until(lambda: ensure_rabbitmq(url) is not None, seconds=START_TIMEOUT_SECONDS, every_seconds=0.1):
        raise RabbitmqError("RabbitMQ was started but doesn't answer at 127.0.0.1:5672; see /var/log/rabbitmq.")
    return url


def _command(command: list[str]) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(  # noqa: S603  # nosec B603  # fixed commands
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode != 0:
        raise RabbitmqError(f"`{' '.join(command)}` failed: {done.stdout.strip()[-2000:]}")
