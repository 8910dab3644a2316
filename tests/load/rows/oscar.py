"""Orders of three lines, beside django-oscar's best: its OrderCreator alone, without HTTP, basket or payment."""

from __future__ import annotations

import json
import os
import subprocess
import venv
from pathlib import Path

from local.processes import ROOT, StartFailed
from tests.load.bench import Bench, Side
from tests.load.result import BARS, Row, middle, ratio

HOME = ROOT / "var" / "oscar-venv"
PYTHON = HOME / "bin" / "python"
WANTED = ("django-oscar[sorl-thumbnail]>=4,<5", "psycopg[binary,pool]>=3.2")
PROCESSES = 2
TURNS = 2
SECONDS = 7.0
PATIENCE_SECONDS = 240


def oscar(bench: Bench) -> list[Row]:
    """Orders of three lines a second at sixty-four clients; django-oscar in two processes of four threads."""
    try:
        _build()
    except (OSError, subprocess.SubprocessError) as error:
        return [Row(BARS["oscar"], None, note=f"django-oscar cannot be installed here: {error}", skipped=True)]
    environment = {"OSCAR_DATABASE_URL": bench.cluster.make_database("oscar")}
    _run(environment, "migrate")
    shop = bench.shop()
    side, placed, statements = Side(), [], 0
    for _turn in range(TURNS):
        with shop.paused():
            told = [json.loads(out) for out in _run(environment, *["place"] * PROCESSES)]
        placed.append(sum(each["placed"] for each in told) / max(each["seconds"] for each in told))
        statements = told[0]["statements"]
        bench.turn(shop, side, clients=64, seconds=SECONDS, lines=3)
        bench.say(f"oscar {placed[-1]:6.1f} orders/s   shop {side.rates[-1]:6.1f}")
    details = {"oscar": {"per_second": placed, "statements": statements}, "shop": side.to_json()}
    return [Row(BARS["oscar"], ratio(side.rate, middle(placed)), details)]


def _build() -> None:
    """Make the virtual environment where it is not there yet."""
    if (HOME / "installed").exists():
        return
    venv.create(HOME, with_pip=True, clear=True)
    subprocess.run([str(PYTHON), "-m", "pip", "install", "--quiet", *WANTED], check=True, timeout=300)
    (HOME / "installed").touch()


def _run(environment: dict[str, str], *jobs: str) -> list[str]:
    """Run jobs beside one another; return what each printed. Raises: StartFailed."""
    started = [
        subprocess.Popen(
            [str(PYTHON), "-m", "tests.load.oscar.placing", job], cwd=Path(ROOT), env=os.environ | environment | {"DJANGO_SETTINGS_MODULE": "tests.load.oscar.settings"},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for job in jobs
    ]  # fmt: skip
    told = []
    for process in started:
        try:
            out, errors = process.communicate(timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            out, errors = process.communicate()
        if process.returncode != 0:
            raise StartFailed(f"django-oscar: {errors[-2000:]}")
        told.append(out)
    return told
