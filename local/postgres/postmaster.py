"""The server process of one data directory: found by its pid file, launched, ended, mistaken for no other."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from local.ports import HOST
from local.postgres.files import read
from local.postgres.installation import Account, EmbeddedPostgresError, environment, run_as
from local.waiting import wait_until

START_TIMEOUT_SECONDS: Final = 60.0
IMPOSSIBLE_PID: Final = 2**31 - 2
# Lines of postmaster.pid, counted from 0.
PID_LINE, PORT_LINE, MEMORY_LINE, STATUS_LINE = 0, 3, 6, 7

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


class Postmaster:
    """PostgreSQL's first process on a data directory, running or not."""

    def __init__(self, data_dir: Path, log_file: Path) -> None:
        """Describe it; starts nothing."""
        self._data_dir = data_dir
        self._log_file = log_file

    @property
    def port(self) -> int:
        """Give the port that its pid file names."""
        return int(self._pid_file_lines()[PORT_LINE])

    def pid(self) -> int | None:
        """Find it running; a file left by a crash counts for nothing, even if its pid is now another's."""
        lines = self._pid_file_lines()
        if len(lines) <= PORT_LINE or not lines[PID_LINE].isdecimal():
            return None
        pid = int(lines[PID_LINE])
        return pid if lives(pid) and "postgres" in _command(pid) and str(self._data_dir) in _command(pid) else None

    def end(self, how: signal.Signals) -> None:
        """Send it a signal and wait until it is gone.

        Raises:
            EmbeddedPostgresError: it doesn't stop.
        """
        pid = self.pid()
        if pid is None:
            return
        _signal(pid, how)
        if not wait_until(lambda: not lives(pid), seconds=START_TIMEOUT_SECONDS):
            raise EmbeddedPostgresError(f"PostgreSQL (pid {pid}) doesn't stop; see {self._log_file}.")

    def launch(self, binaries: Path, account: Account | None, *, port: int, durable: bool) -> str | None:
        """Start it once; give None, or what it wrote to its log before it gave up."""
        self._disown_stale_pid()
        settings = {**SETTINGS, "port": str(port), **({} if durable else THROWAWAY_SETTINGS)}
        arguments = [f"--{name}={value}" for name, value in settings.items()]
        # A failing statement is logged with its values.
        self._log_file.touch(mode=0o600)
        with self._log_file.open("ab") as log:
            end_of_log = log.tell()
            # The shell leaves the server to init, which reaps it. In a session of its own, because Ctrl-C at the
            # terminal ends a test run, which then still needs its database.
            launched = subprocess.run(  # noqa: S603  # nosec B603  # our own binary and arguments
                ["/bin/sh", "-c", '"$@" >&2 & echo $!', "sh", binaries / "postgres", "-D", self._data_dir, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                check=True,
                cwd=self._data_dir,
                env=environment(),
                start_new_session=True,
                **run_as(account),
            )
        pid = int(launched.stdout)
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while lives(pid):
            lines = self._pid_file_lines()
            if lines[:1] == [str(pid)] and [line.strip() for line in lines[STATUS_LINE:]] == ["ready"]:
                return None
            if time.monotonic() > deadline:
                _signal(pid, signal.SIGKILL)
                return f"(not ready after {START_TIMEOUT_SECONDS:.0f} s)"
            time.sleep(0.01)
        with self._log_file.open("rb") as log:
            log.seek(end_of_log)
            return log.read().decode(errors="replace")[-2000:]

    def remove_shared_memory(self) -> None:
        """Remove the System V segment that a killed server leaves behind; its id is in the pid file."""
        lines = self._pid_file_lines()
        words = lines[MEMORY_LINE].split() if len(lines) > MEMORY_LINE else []
        ipcrm = shutil.which("ipcrm")
        if words and ipcrm:
            subprocess.run([ipcrm, "-m", words[-1]], capture_output=True, check=False)  # noqa: S603  # nosec B603

    def _pid_file_lines(self) -> list[str]:
        return read(self._data_dir / "postmaster.pid").splitlines()

    def _disown_stale_pid(self) -> None:
        # The pid that a crash left may be another process's by now, or a zombie that no init reaps; PostgreSQL takes
        # either for a running server. A pid that can't exist keeps its other guard: the shared memory named below it.
        lines = self._pid_file_lines()
        if lines:
            (self._data_dir / "postmaster.pid").write_text("\n".join([str(IMPOSSIBLE_PID), *lines[1:], ""]))


def lives(pid: int) -> bool:
    """Return whether this process lives; one that is dead but not yet reaped doesn't."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    state = read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return state[:1] != ["Z"]


def _command(pid: int) -> str:
    """Give the command line of a process, from /proc where there is one, else from ps."""
    if Path("/proc/self/cmdline").exists():
        return read(Path(f"/proc/{pid}/cmdline")).replace("\0", " ")
    return subprocess.run(  # noqa: S603  # nosec B603
        ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
