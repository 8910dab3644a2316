"""A throw-away RabbitMQ that a test may freeze or kill: a node of the installed server with a life of its own."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self, cast

import pytest
from amqp import Channel
from kombu import Connection

from local.lifeline import Lifeline
from local.ports import free_port
from local.rabbitmq import START_TIMEOUT_SECONDS, RabbitmqError, ensure_rabbitmq
from local.waiting import wait_until

# The server's own scripts. /usr/sbin/rabbitmq-server of Debian is a wrapper that insists on the account rabbitmq and on
# the one node of the machine.
SERVER_SCRIPTS: Final = (
    "/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server",
    "/opt/rabbitmq/sbin/rabbitmq-server",
    "/opt/homebrew/opt/rabbitmq/sbin/rabbitmq-server",
    "/usr/local/opt/rabbitmq/sbin/rabbitmq-server",
)
KILL_NODE: Final = """
    # No file: the node was ended already, and its number may be another's by now.
    if node=$(cat "$1/pid" 2>/dev/null); then
        kill -CONT -- "-$node"
        kill -KILL -- "-$node"
        sleep 0.2
    fi
    [ "$2" = keep ] || rm -rf "$1"
"""


@contextlib.contextmanager
def channel_of(connection: Connection) -> Iterator[Channel]:
    """Open the connection and a channel of it for a while. kombu's types don't say that the channel is py-amqp's."""
    with connection, connection.channel() as channel:
        yield cast("Channel", channel)


class PrivateRabbitmq:
    """A node of the installed RabbitMQ with name, ports, cookie and data of its own, to be stopped, frozen or killed.

    Its queues and messages live in the data directory and survive `stop` and `kill`; `close`, leaving the context, or
    the end of this process ends it for good. It runs as whoever calls; only Erlang's port mapper (epmd) stays behind.
    """

    def __init__(
        self,
        port: int | None = None,
        data_dir: Path | None = None,
        *,
        metrics_port: int | None = None,
        settings: str = "",
    ) -> None:
        """Describe a node; starts nothing.

        Args:
            port: Its AMQP port; unset, a free one that it keeps.
            data_dir: Where it keeps everything; unset, a temporary directory that `close` removes.
            metrics_port: Where its Prometheus plugin answers; unset, it runs without the plugin.
            settings: Further lines of its rabbitmq.conf.
        """
        self.metrics_port = metrics_port
        self._settings = settings
        self.port = port or free_port()
        self._distribution_port = free_port()
        self._temporary = data_dir is None
        self.data_dir = (data_dir or Path(tempfile.mkdtemp(prefix="shop-rabbitmq-"))).resolve()
        self.node_name = f"shop-{os.getpid()}-{self.port}@localhost"
        self._server: subprocess.Popen[bytes] | None = None
        self._lifeline: Lifeline | None = None

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc_value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    @property
    def url(self) -> str:
        """Give the node's URL."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    @property
    def log_file(self) -> Path:
        """Give the node's log."""
        return self.data_dir / "rabbitmq.log"

    def start(self) -> None:
        """Start the node, or start it again with what it kept; does nothing while it runs.

        Raises:
            RabbitmqError: it doesn't come up; says why.
        """
        if self.is_running():
            return
        self.data_dir.mkdir(parents=True, exist_ok=True)
        configuration = f"disk_free_limit.absolute = 50MB\n{self._settings}\n"
        if self.metrics_port is not None:
            configuration += f"prometheus.tcp.ip = 127.0.0.1\nprometheus.tcp.port = {self.metrics_port}\n"
            (self.data_dir / "enabled_plugins").write_text("[rabbitmq_prometheus].\n")
        (self.data_dir / "rabbitmq.conf").write_text(configuration)
        (self.data_dir / "rabbitmq-env.conf").touch()
        with self.log_file.open("ab") as log:
            self._server = subprocess.Popen(  # nosec B603  # the installed server, our own arguments
                [server_script()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.data_dir,
                env=self._environment(),
                start_new_session=True,
            )
        (self.data_dir / "pid").write_text(str(self._server.pid))
        if self._lifeline is None:
            keep = "remove" if self._temporary else "keep"
            self._lifeline = Lifeline(KILL_NODE, str(self.data_dir), keep, at_exit=self.close)
        answers = wait_until(
            lambda: not self.is_running() or ensure_rabbitmq(self.url, timeout_seconds=2) is not None,
            seconds=START_TIMEOUT_SECONDS,
            every_seconds=0.1,
        )
        if not answers or not self.is_running():
            tail = self.log_file.read_text(errors="replace")[-2000:]
            self.kill()
            raise RabbitmqError(f"RabbitMQ doesn't start on port {self.port}; the end of {self.log_file} says:\n{tail}")

    def stop(self) -> None:
        """Shut the node down in order; what it holds stays for the next start."""
        if self._server is None:
            return
        self.resume()
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._server.wait(timeout=START_TIMEOUT_SECONDS)
        # Whatever is left of its process group: helpers of the Erlang machine, or all of a node that doesn't stop.
        self.kill()

    def kill(self) -> None:
        """Kill the node as a power cut would."""
        if self._server is not None:
            self._signal(signal.SIGKILL)
            (self.data_dir / "pid").unlink(missing_ok=True)
            self._server.wait()
            self._server = None

    def pause(self) -> None:
        """Freeze the node: its connections stay open, and nothing answers.

        A signal is sent in no time and obeyed in its own: on a busy machine a thread may go on for a while.
        """
        self._signal(signal.SIGSTOP)
        if not wait_until(self._stands_still, seconds=START_TIMEOUT_SECONDS):
            raise RabbitmqError(f"{self.node_name} does not stand still")

    def _stands_still(self) -> bool:
        """Return whether every thread of the node is stopped; True where the system does not say."""
        tasks = Path("/proc").glob("[0-9]*/task/*/stat")
        fields = [stat.rpartition(")")[2].split() for stat in map(_read, tasks) if stat]
        group = str(self._server.pid) if self._server is not None else ""
        return all(state in "TtZX" for state, _parent, process_group, *_rest in fields if process_group == group)

    def resume(self) -> None:
        """Let a frozen node go on."""
        self._signal(signal.SIGCONT)

    def is_running(self) -> bool:
        """Tell whether its process lives, frozen or not."""
        return self._server is not None and self._server.poll() is None

    def close(self) -> None:
        """End the node without ceremony and remove a temporary data directory."""
        self.kill()
        if self._lifeline is not None:
            self._lifeline.cut()
            self._lifeline = None
        if self._temporary:
            shutil.rmtree(self.data_dir, ignore_errors=True)

    def _signal(self, number: signal.Signals) -> None:
        if self._server is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._server.pid, number)

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LC_ALL": "C.UTF-8",
            # Erlang's cookie: nodes of others don't share it, and ~/.erlang.cookie stays as it is.
            "HOME": str(self.data_dir),
            "RABBITMQ_NODENAME": self.node_name,
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_MNESIA_BASE": str(self.data_dir / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.data_dir),
            "RABBITMQ_LOGS": str(self.log_file),
            "RABBITMQ_CONFIG_FILE": str(self.data_dir / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(self.data_dir / "rabbitmq-env.conf"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(self.data_dir),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.data_dir / "enabled_plugins"),
            # The script then becomes the server, instead of staying in front of it and catching its signals.
            "RUNNING_UNDER_SYSTEMD": "true",
        }


def server_script() -> str:
    for pattern in SERVER_SCRIPTS:
        found = sorted(Path("/").glob(pattern.removeprefix("/")))
        if found:
            return str(found[-1])
    raise RabbitmqError("RabbitMQ isn't installed: on Debian, `python -m local rabbitmq` as root installs it.")


def _read(file: Path) -> str:
    """Return what stands in a file, "" where it has gone meanwhile."""
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""


def insist_on_rabbitmq() -> None:
    """Skip the test, or in CI fail it, where no RabbitMQ is installed."""
    try:
        server_script()
    except RabbitmqError as missing:
        if os.environ.get("CI"):
            pytest.fail(str(missing))
        pytest.skip(str(missing))
