"""Ports for servers that are started here."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest

from local import ports
from local.ports import PORTS, free_port


def test_processes_that_seed_the_common_generator_alike_draw_apart():
    drawn = []
    for _process in range(2):
        random.seed(20261129)
        drawn.append([free_port() for _each in range(5)])

    assert drawn[0] != drawn[1]
    assert all(port in PORTS for port in drawn[0])


def test_nobody_draws_a_port_on_which_somebody_is_about_to_listen(monkeypatch: pytest.MonkeyPatch):
    mine = free_port()
    monkeypatch.setattr(ports, "PORTS", range(mine, mine + 1))
    monkeypatch.setattr(random.SystemRandom, "sample", lambda _self, among, _most: list(among))
    elsewhere = f"from local import ports; print(ports._draw({mine}))"

    with pytest.raises(OSError, match="no free port"):
        free_port()
    assert subprocess.check_output([sys.executable, "-c", elsewhere], text=True).strip() == "False"
