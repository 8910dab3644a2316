"""Ids rise with time, so that a moment bounds them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from shop.clock import now
from shop.ids import first_id_at, new_id


def test_a_moment_bounds_the_ids_made_since():
    assert first_id_at(now()) < new_id() < first_id_at(now() + timedelta(seconds=5))


def test_the_distant_past_bounds_nothing():
    assert first_id_at(datetime(1960, 1, 1, tzinfo=UTC)).int == 0
