"""Ids rise with time, so that a moment bounds them, and no two are the same."""

from __future__ import annotations

import os
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from shop.clock import now
from shop.ids import first_id_at, new_id


def test_a_moment_bounds_the_ids_made_since():
    assert first_id_at(now()) < new_id() < first_id_at(now() + timedelta(seconds=5))


def test_the_distant_past_bounds_nothing():
    assert first_id_at(datetime(1960, 1, 1, tzinfo=UTC)).int == 0


def test_no_id_is_made_twice_by_threads_that_draw_at_the_same_time():
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _each: new_id(), range(5_000)))

    assert len({each.int & (1 << 62) - 1 for each in made}) == len(made)
    assert {(each.version, each.variant) for each in made} == {(7, uuid.RFC_4122)}


def test_a_child_process_does_not_draw_what_its_parent_draws():
    new_id()  # so that there are numbers drawn ahead
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        os.write(writing, new_id().bytes)
        os._exit(0)
    os.waitpid(child, 0)

    of_child = uuid.UUID(bytes=os.read(reading, 16))

    assert of_child.bytes[8:] not in {new_id().bytes[8:] for _each in range(200)}
