"""A part of a journey in a process of its own, which ends well or dies by SIGKILL at the point it was told."""

from __future__ import annotations

import json
import os
import signal
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.db import connections

from shop import coalescing
from tests.driver.provider import close_provider_connection
from tests.driver.sessions import await_no_other_session
from tests.proof.crashes.points import Points

CHILD_SECONDS = 120
Tell = Callable[[Any], None]


@dataclass
class Lived:
    """What a child left behind: the points it came to, what it told its client, and whether it was killed."""

    points: list[str] = field(default_factory=list)
    told: list[dict[str, Any]] = field(default_factory=list)
    killed: bool = False


def live(act: Callable[[Tell], None], *, die_at: int | None = None) -> Lived:
    """Run `act` in a child; with `die_at` the child is killed as it comes to its point of that number, from 0.

    Returns once the child and its database sessions are gone. Raises: AssertionError with the child's traceback.
    """
    # A child has none of its parent's threads, and waits for its parent's sessions to be gone.
    coalescing.stop()
    connections.close_all()
    close_provider_connection()
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # Since 3.12 Python warns of forks beside threads (xdist's); the child uses no lock of theirs.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        _be_the_child(act, die_at, reading, writing)
    os.close(writing)
    lived, trouble = Lived(), ""
    with os.fdopen(reading) as lines:
        for line in lines:
            kind, value = json.loads(line)
            if kind == "point":
                lived.points.append(value)
            elif kind == "told":
                lived.told.append(value)
            else:
                trouble = value
    _pid, status = os.waitpid(child, 0)
    lived.killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    assert not trouble, f"the journey failed by itself:\n{trouble}"
    assert lived.killed or os.waitstatus_to_exitcode(status) == 0, f"the child ended by {status}"
    # Recovery comes once the server has rolled back what was open, as it does in production.
    await_no_other_session("the dead child's database session lives on")
    return lived


def _be_the_child(act: Callable[[Tell], None], die_at: int | None, reading: int, writing: int) -> None:
    """Never returns: pytest goes on in the parent only."""
    code = 1

    def say(kind: str, value: Any) -> None:
        os.write(writing, (json.dumps([kind, value]) + "\n").encode())

    met = 0

    def meet(point: str) -> None:
        nonlocal met
        say("point", point)
        if met == die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        met += 1

    def tell(answer: Any) -> None:
        say("told", {"status": answer.status_code, "body": answer.content.decode()})

    try:
        os.close(reading)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(CHILD_SECONDS)
        Points(meet).install()
        act(tell)
        code = 0
    except BaseException:  # noqa: BLE001  told to the parent, which raises it
        say("trouble", traceback.format_exc())
    finally:
        os._exit(code)
