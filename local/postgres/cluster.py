"""One cluster: its home, its password, its port; created, started, adopted, stopped, killed, removed."""

import contextlib
import fcntl
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import psycopg
from psycopg import sql

from local.lifeline import Lifeline
from local.ports import HOST, free_port, is_free
from local.postgres.files import read, read_int, write
from local.postgres.home import DEFAULT_HOME, UNKNOWN_PORT
from local.postgres.initdb import initialize
from local.postgres.installation import (
    Account,
    EmbeddedPostgresError,
    account,
    binaries,
    stand_in,
)
from local.postgres.postmaster import START_TIMEOUT_SECONDS, Postmaster
from local.waiting import wait_until

DATABASE: Final = "shop"
SUPERUSER: Final = "postgres"

REMOVE_CLUSTER: Final = """
    # The number that a killed server left in its file may be another process's by now.
    while pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null) && ps -ww -o command= -p "$pid" | grep -qF -- "$1/data" &&
        kill -QUIT "$pid" 2>/dev/null; do
        sleep 0.1
    done
    rm -rf "$1"
"""


class EmbeddedPostgres:
    """One PostgreSQL cluster on a loopback port, with password login for its superuser.

    Safe to use from several processes at once: a lock in its home serializes start and stop.
    """

    def __init__(self, data_dir: Path | None = None, port: int | None = None, durable: bool = True) -> None:
        """Describe a cluster; touches nothing until `start`.

        Args:
            data_dir: Its home: port, password, log and data. Unset, `var/postgres` of the checkout, or for a throw-away
                cluster a temporary directory that `stop`, or the end of this process, removes.
            port: The port it must have. Unset, the remembered one, else a free one that is then remembered.
            durable: False trades survival of a crash for speed.
        """
        self._throwaway = data_dir is None and not durable
        self._home = None if self._throwaway else Path(data_dir or DEFAULT_HOME).resolve()
        self._wanted_port = port
        self._durable = durable
        self._lifeline: Lifeline | None = None

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc_value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    @property
    def home(self) -> Path:
        """Give the directory with this cluster's port, password and pointer.

        Raises:
            EmbeddedPostgresError: a throw-away cluster has none until it is started.
        """
        if self._home is None:
            raise EmbeddedPostgresError("This throw-away PostgreSQL hasn't been started: call start() first.")
        return self._home

    @property
    def data_dir(self) -> Path:
        """Give PGDATA."""
        return self._place / "data"

    @property
    def log_file(self) -> Path:
        """Give the server's log."""
        return self._place / "postgres.log"

    @property
    def port(self) -> int:
        """Give the port it has or will have, as far as that is known; reads one small file."""
        return self._wanted_port or read_int(self.home / "port") or UNKNOWN_PORT

    def url(self, database: str = DATABASE) -> str:
        """Give the URL of one of its databases, with the password; needs no running server."""
        password = read(self.home / "password")
        return f"postgresql://{SUPERUSER}{':' if password else ''}{password}@{HOST}:{self.port}/{database}"

    def start(self) -> None:
        """Start the cluster, creating it if need be; one that runs already is adopted.

        Raises:
            EmbeddedPostgresError: it can't be started; says why and what to do.
        """
        if self._throwaway and self._home is None:
            self._home = Path(tempfile.mkdtemp(prefix="shop-postgres-")).resolve()
        with self._locked():
            if self._adopt():
                return
            runs_as = account()
            programs = binaries(runs_as)
            if not (self.data_dir / "PG_VERSION").exists():
                self._create(programs, runs_as)
            self._launch(programs, runs_as)
        if self._throwaway and self._lifeline is None:
            self._lifeline = Lifeline(REMOVE_CLUSTER, str(self.home), at_exit=self.stop)

    def stop(self) -> None:
        """Stop the cluster if it runs, and remove it if it is a throw-away one."""
        if self._home is None or not self._home.exists():
            return
        with self._locked():
            # SIGINT is a fast shutdown with a checkpoint, SIGQUIT an immediate one: nothing here needs to survive.
            self._postmaster.end(signal.SIGQUIT if self._throwaway else signal.SIGINT)
            if self._throwaway:
                self._postmaster.remove_shared_memory()
        if self._throwaway:
            self._discard()

    def remove(self) -> None:
        """Stop the cluster and delete it, data and all."""
        self.stop()
        if self._home is not None:
            self._postmaster.remove_shared_memory()
            for directory in (self._place, self.home):
                shutil.rmtree(directory, ignore_errors=True)

    def kill(self) -> None:
        """Kill the server as a power cut would: SIGKILL, no checkpoint; `start` then recovers from the log."""
        self._postmaster.end(signal.SIGKILL)

    def is_running(self) -> bool:
        """Return whether the server runs and accepts connections."""
        return self._home is not None and self._postmaster.pid() is not None and self._answers()

    def ensure_database(self, name: str = DATABASE) -> None:
        """Create this database unless it exists."""
        with contextlib.suppress(psycopg.errors.DuplicateDatabase), self._connect() as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
            if found is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    @property
    def _place(self) -> Path:
        """Give the directory that holds data and log: the home itself, or its stand-in when root. Creates nothing."""
        pointer = read(self.home / "location")
        return Path(pointer) if pointer else self.home

    @property
    def _postmaster(self) -> Postmaster:
        return Postmaster(self.data_dir, self.log_file)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.home / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.url("postgres"), autocommit=True, connect_timeout=5, sslmode="disable", options="")

    def _answers(self) -> bool:
        try:
            with self._connect() as connection:
                row = connection.execute("SHOW data_directory").fetchone()
        except psycopg.OperationalError:
            return False
        return row is not None and Path(row[0]).resolve() == self.data_dir.resolve()

    def _adopt(self) -> bool:
        if self._postmaster.pid() is None:
            return False
        listening_port = self._postmaster.port
        if self._wanted_port not in (None, listening_port):
            raise EmbeddedPostgresError(
                f"This cluster runs on port {listening_port}, not {self._wanted_port}: stop it first."
            )
        write(self.home / "port", str(listening_port))
        if not wait_until(self._answers, seconds=START_TIMEOUT_SECONDS):
            raise EmbeddedPostgresError(f"PostgreSQL runs in {self.data_dir} but doesn't answer; see {self.log_file}.")
        return True

    def _create(self, programs: Path, runs_as: Account | None) -> None:
        if runs_as is not None:
            place = self.home if self._throwaway else stand_in(self.home)
            place.mkdir(exist_ok=True)
            place.chmod(0o711)
            write(self.home / "location", str(place))
        self.home.chmod(0o711 if self._throwaway and runs_as else 0o700)
        # As root a cluster outlives its home; without the password that was there it is of no use.
        self._postmaster.end(signal.SIGQUIT)
        password = secrets.token_urlsafe(24)
        write(self.home / "password", password)
        initialize(
            self.data_dir,
            programs=programs,
            runs_as=runs_as,
            superuser=SUPERUSER,
            password=password,
            durable=self._durable,
        )

    def _launch(self, programs: Path, runs_as: Account | None) -> None:
        remembered = self._wanted_port or read_int(self.home / "port")
        for attempt in range(20):
            port = remembered if remembered and is_free(remembered) else free_port()
            if self._wanted_port not in (None, port):
                raise EmbeddedPostgresError(f"Port {self._wanted_port} is in use: stop what listens there.")
            write(self.home / "port", str(port))
            complaint = self._postmaster.launch(programs, runs_as, port=port, durable=self._durable)
            if complaint is None:
                return
            if "could not bind" in complaint:
                continue
            if "shared memory block" in complaint or "lock file" in complaint:
                # The children of a killed server need a moment to notice that it is gone.
                time.sleep(0.05 * (attempt + 1))
                continue
            break
        raise EmbeddedPostgresError(f"PostgreSQL doesn't start; the end of {self.log_file} says:\n{complaint}")

    def _discard(self) -> None:
        if self._lifeline is not None:
            self._lifeline.cut()
            self._lifeline = None
        shutil.rmtree(self.home, ignore_errors=True)
        self._home = None
