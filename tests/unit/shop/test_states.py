"""The moves that a status may make."""

from __future__ import annotations

import pytest

from shop.states import Transitions


def test_a_move_to_a_status_that_is_not_in_the_table_is_refused_as_the_table_is_made():
    with pytest.raises(ValueError, match=r"that the table does not list: .*GONE"):
        Transitions({"NEW": ["DONE", "GONE"], "DONE": []})
