"""What `make run` serves, told to the commands of the same checkout: a file of addresses, while it runs.

`manage.py` reads it, so that a command in another shell reaches the running sandbox, whose port is drawn anew each time. It
holds no secret: the embedded database is found by its own folder, and what the environment names is not overruled.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Final

FILE: Final = Path(__file__).resolve().parents[1] / "var" / "running.env"
_PID: Final = "RUNNING_PID"


def tell(addresses: Mapping[str, str], *, file: Path = FILE) -> None:
    """Write down what this process serves, whole or not at all."""
    lines = [f"{name}={value}" for name, value in {_PID: str(os.getpid()), **addresses}.items()]
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_suffix(f".{os.getpid()}")
    fresh.write_text("\n".join(lines) + "\n")
    fresh.replace(file)


def forget(*, file: Path = FILE) -> None:
    """Remove what this process has told; what another one has told since stays."""
    if _read(file).get(_PID) == str(os.getpid()):
        file.unlink(missing_ok=True)


def join(environment: MutableMapping[str, str], *, file: Path = FILE) -> None:
    """Name the addresses of the shop that runs in this checkout, where the environment names none.

    Nothing happens in a process that belongs to a shop already, with other settings, or where that shop has ended.
    """
    if "SHOP_ROLE" in environment or environment.get("DJANGO_SETTINGS_MODULE") != "config.settings.development":
        return
    told = _read(file)
    if not _lives(told.pop(_PID, "")):
        return
    if environment.get("STRIPE_API_KEY"):
        told.pop("STRIPE_API_BASE", None)
    for name, value in told.items():
        environment.setdefault(name, value)


def _read(file: Path) -> dict[str, str]:
    with contextlib.suppress(FileNotFoundError):
        return dict(line.split("=", 1) for line in file.read_text().splitlines() if "=" in line)
    return {}


def _lives(pid: str) -> bool:
    if not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
