"""A shell that cleans up after this process, however this process ends: SIGKILL runs no `finally` and no `atexit`."""

import atexit
import os
import subprocess
from collections.abc import Callable


class Lifeline:
    """Runs a shell script once this process is gone; an orderly end runs a callable instead."""

    def __init__(self, script: str, *arguments: str, at_exit: Callable[[], None]) -> None:
        """Tie the script to this process.

        Args:
            script: What to run; the arguments are its $1, $2 and so on.
            arguments: Its arguments.
            at_exit: What to run at an orderly end; it should `cut` this lifeline.
        """
        owner = os.getpid()
        # The pipe closes with this process. In a session of its own, because Ctrl-C goes to the whole process group.
        self._shell = subprocess.Popen(  # noqa: S603  # nosec B603
            ["/bin/sh", "-c", f"cat >/dev/null\n{script}", "sh", *arguments],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        # A forked child that exits must not take away what its parent still uses.
        self._at_exit = lambda: at_exit() if os.getpid() == owner else None
        atexit.register(self._at_exit)

    def cut(self) -> None:
        """Forget the script: everything is cleaned up already."""
        atexit.unregister(self._at_exit)
        self._shell.kill()
        self._shell.communicate()
