"""The shop of the soak: production's roles, threads and pool, with the port of the probes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from local.processes import Process, free_port, python
from tests.load.machine import family
from tests.load.stack import Cluster, ShopStack

WEB_THREADS, POOL, CONCURRENCY = 32, 16, 4
# Longer than any soak: what nobody pays ends when the soak says so.
SECONDS_TO_PAY = 6 * 3600
ROLES = ("deliveries", "sweeps")
QUIET = ("--without-heartbeat", "--without-gossip", "--without-mingle")


@dataclass(frozen=True)
class Member:
    """A process of the shop by its place: `web 1`, `deliveries 2`; the first of a role is what started the others."""

    name: str
    pid: int

    def anonymous_megabytes(self) -> float:
        """Return the memory that is its own: shared libraries, files and shared memory are not counted; 0 once it is gone."""
        try:
            lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            return 0.0
        return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon")), 0.0)


class SoakShop(ShopStack):
    """Web, a worker of each role and beat, over PostgreSQL, RabbitMQ and the sandbox."""

    def __init__(self, cluster: Cluster, *, name: str = "shop_soak", pool: int = POOL) -> None:
        self.health_port = free_port()
        super().__init__(
            cluster, name=name, threads=WEB_THREADS, pool=pool, RESERVATION_TTL_SECONDS=str(SECONDS_TO_PAY)
        )

    @property
    def probes_url(self) -> str:
        return f"http://127.0.0.1:{self.health_port}"

    def _run(self, name: str, command: list[str], environment: dict[str, str]) -> Process:
        probes = {"HEALTH_PORT": str(self.health_port)} if name == "web" else {}
        return super()._run(name, command, environment | probes)

    def start_worker(self) -> None:
        """Start a worker of each role, as two deployments of the image would be."""
        for role in ROLES:
            command = python(
                "-m", "celery", "-A", "config", "worker", f"--concurrency={CONCURRENCY}", "--loglevel=INFO",
                f"--hostname={role}@%h", *QUIET,
            )  # fmt: skip
            self._run(role, command, self._metrics_folder(role))

    def members(self) -> list[Member]:
        """Return every process of the shop's own, in a steady order; the sandbox, PostgreSQL and RabbitMQ are not the shop's."""
        found = []
        for name, process in self.processes.items():
            if name != "sandbox" and process._child is not None:
                pids = sorted(family(process._child.pid))
                found += [Member(f"{name} {number}", pid) for number, pid in enumerate(pids)]
        return found

    def most_sessions(self) -> int:
        """Return how many sessions at PostgreSQL the shop may have: each process's pool, and what stands beside it.

        Beside a web process's pool: the thread that writes for many, the relay, the probes' two. A worker's process has
        one for its task, its sweeps beside it and its relay; a worker's parent and beat have one each, the lookout another.
        """
        web = 2 * (self.pool + 4)
        workers = len(ROLES) * (CONCURRENCY * 4 + 1)
        return web + workers + 3

    def logs(self) -> dict[str, str]:
        """Return what each process of the shop has logged."""
        return {file.stem: file.read_text(errors="replace") for file in sorted((self.home / "log").glob("*.log"))}
