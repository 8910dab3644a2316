"""Child processes of `make run` and `make demo`: started in their own sessions, logged to files, never left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import requests

from local.ports import free_port, is_free
from local.waiting import PATIENCE_SECONDS

__all__ = ["ROOT", "Process", "StartFailed", "answers", "free_port", "is_free", "python"]

ROOT = Path(__file__).resolve().parent.parent


class StartFailed(RuntimeError):
    """A process ended or did not answer in time; the message shows the end of its log."""


class Process:
    """One child, its log, and whether it lives."""

    def __init__(self, name: str, command: Sequence[str], *, environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.command = list(command)
        self.environment = dict(environment)
        self.log = log
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, as the leader of a session of its own, so that its children end with it."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(  # noqa: S603  our own commands
                self.command,
                cwd=ROOT,
                env=os.environ | self.environment | {"SHOP_ROLE": self.name},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def is_running(self) -> bool:
        """Return whether it lives."""
        return self._child is not None and self._child.poll() is None

    def wait_until(self, ready: Callable[[], bool], *, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until it answers. Raises: StartFailed, at once where it has ended."""
        deadline = time.monotonic() + seconds
        while not ready():
            if not self.is_running():
                raise StartFailed(f"{self.name} ended while starting; the end of {self.log}:\n{self.tail()}")
            if time.monotonic() > deadline:
                raise StartFailed(
                    f"{self.name} did not answer in {seconds:.0f} s; the end of {self.log}:\n{self.tail()}"
                )
            time.sleep(0.05)

    def tail(self, lines: int = 25) -> str:
        """Return the end of its log, for whoever reads it. What it has said or not is a question to `said`."""
        return "\n".join(self._whole_log().splitlines()[-lines:])

    def said(self, words: str) -> bool:
        """Return whether these words stand anywhere in its log: what followed them may be long."""
        return words in self._whole_log()

    def _whole_log(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def kill(self) -> None:
        """SIGKILL it and its children: nothing of it gets to tidy up."""
        self._signal(signal.SIGKILL)
        self._reap()

    def stop(self, *, seconds: float = 15) -> None:
        """Ask it to end; SIGKILL what does not."""
        if self._child is None:
            return
        self._signal(signal.SIGTERM, group=False)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(timeout=seconds)
        self._signal(signal.SIGKILL)
        self._reap()

    def _signal(self, signum: int, *, group: bool = True) -> None:
        if self._child is not None:
            with contextlib.suppress(ProcessLookupError):
                (os.killpg if group else os.kill)(self._child.pid, signum)

    def _reap(self) -> None:
        if self._child is not None:
            self._child.wait()
            self._child = None


def python(*arguments: str) -> list[str]:
    """Return a command that runs this Python."""
    return [sys.executable, *arguments]


def answers(url: str) -> Callable[[], bool]:
    """Return a question that asks whether `url` answers 200."""

    def ask() -> bool:
        try:
            return bool(requests.get(url, timeout=2).status_code == requests.codes.ok)
        except requests.RequestException:
            return False

    return ask
