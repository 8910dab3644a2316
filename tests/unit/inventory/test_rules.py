"""Inventory's decisions, without a database."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.models import BORN, RESERVATION_TRANSITIONS, ReservationStatus
from inventory.rules import (
    AVAILABILITIES,
    MAX_QUANTITY,
    InvalidQuantity,
    Line,
    Shortage,
    availability,
    is_sku,
    ran_low,
    shortages,
    summed,
)


def test_two_lines_of_one_sku_are_one_demand_in_the_order_of_skus():
    assert summed([Line("B", 1), Line("A", 2), Line("B", 3)]) == (Line("A", 2), Line("B", 4))


@pytest.mark.parametrize("quantity", [0, -1, MAX_QUANTITY + 1, True, 1.0])
def test_quantity_that_is_no_quantity_is_refused(quantity):
    with pytest.raises(InvalidQuantity):
        summed([Line("A", quantity)])


def test_sum_beyond_the_limit_is_refused_too():
    with pytest.raises(InvalidQuantity):
        summed([Line("A", MAX_QUANTITY), Line("A", 1)])


def test_reservation_without_lines_is_refused():
    with pytest.raises(InvalidQuantity):
        summed([])


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.integers(1, 9)), min_size=1))
def test_summing_neither_loses_nor_invents_units(pairs):
    lines = summed([Line(sku, quantity) for sku, quantity in pairs])

    assert sum(line.quantity for line in lines) == sum(quantity for _, quantity in pairs)
    assert [line.sku for line in lines] == sorted({sku for sku, _ in pairs})


def test_shortages_name_each_line_that_cannot_be_met():
    wanted = [Line("A", 2), Line("B", 2), Line("C", 2)]

    assert shortages(wanted, {"A": 2, "B": 1, "C": 0}) == (Shortage("B", 2, 1), Shortage("C", 2, 0))


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [(7, 6, False), (6, 5, True), (6, 4, True), (5, 4, False), (9, 0, True), (4, 3, False), (4, 9, False)],
)
def test_low_stock_is_told_by_the_step_that_crosses_the_threshold_only(before, after, told):
    assert ran_low(before=before, after=after, threshold=5) is told


@pytest.mark.parametrize("text", ["", "-A", "A B", "A\n", "A/B", "Ä", "A\x00", "x" * 65])
def test_text_that_cannot_be_a_sku_is_known_as_such(text):
    assert not is_sku(text)


def test_every_status_is_in_the_table_and_reachable():
    reachable = set(BORN) | {target for targets in RESERVATION_TRANSITIONS.values() for target in targets}

    assert set(RESERVATION_TRANSITIONS) == set(ReservationStatus.values) == {str(status) for status in reachable}
    assert RESERVATION_TRANSITIONS.terminal == {"RELEASED", "EXPIRED", "RETURNED", "SHORT"}


@pytest.mark.parametrize(
    ("available", "word"), [(-1, "sold_out"), (0, "sold_out"), (1, "few_left"), (5, "few_left"), (6, "in_stock")]
)
def test_availability_is_told_in_a_word(available, word):
    assert availability(available, low=5) == word
    assert word in AVAILABILITIES
