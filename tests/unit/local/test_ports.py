"""Ports for servers that are started here."""

from __future__ import annotations

import random

from local.ports import PORTS, free_port


def test_processes_that_seed_the_common_generator_alike_draw_apart():
    drawn = []
    for _process in range(2):
        random.seed(20261129)
        drawn.append([free_port() for _each in range(5)])

    assert drawn[0] != drawn[1]
    assert all(port in PORTS for port in drawn[0])
