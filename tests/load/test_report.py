"""What the bench makes of its figures: verdicts, the picture, transactions in a log."""

from __future__ import annotations

import math
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.load.__main__ import table
from tests.load.picture import picture
from tests.load.result import BARS, Row
from tests.load.rows import FED, SCENARIOS
from tests.load.statements import Statement, StatementLog, transactions_in


def test_row_is_below_ok_or_at_its_aim_whichever_way_is_better():
    more_is_better, less_is_better = BARS["rate8"], BARS["cpu"]

    assert [Row(more_is_better, value).verdict for value in (0.79, 0.8, 2.0)] == ["below", "ok", "aim"]
    assert [Row(less_is_better, value).verdict for value in (1.41, 1.4, 0.7)] == ["below", "ok", "aim"]


def test_row_without_a_value_is_no_result_unless_it_was_left_out():
    assert Row(BARS["oscar"], None, note="no pip", skipped=True).verdict == "not measured"
    assert Row(BARS["oscar"], math.nan).verdict == "no result"
    assert Row(BARS["oscar"], None, note="the audit is not clean").verdict == "no result"


def test_row_that_others_disturbed_says_so():
    quiet, disturbed = Row(BARS["rate8"], 1.0, others=0.3), Row(BARS["rate8"], 1.0, others=0.31)

    assert "others" not in table([quiet])
    assert "others had 31% of the machine" in table([disturbed])


def test_every_bar_is_fed_by_one_scenario():
    fed = [name for scenario in SCENARIOS for name in FED.get(scenario.__name__, (scenario.__name__,))]

    assert sorted(fed) == sorted(BARS)


def test_picture_shows_every_row():
    rows = [Row(bar, bar.aim).to_json() for bar in BARS.values()] + [Row(BARS["oscar"], None, note="<none>").to_json()]

    shown = ET.fromstring(picture(rows))

    texts = {each.text for each in shown.iter("{http://www.w3.org/2000/svg}text")}
    assert texts >= {*BARS, "no result"}


def test_transactions_are_commits_and_what_stands_alone():
    sent = [
        ("a", "SELECT 1"),
        ("a", "BEGIN"),
        ("b", "SELECT 2"),
        ("a", "UPDATE x"),
        ("a", "COMMIT"),
        ("a", "BEGIN"),
        ("a", "ROLLBACK"),
    ]

    assert transactions_in([Statement("shop-web", session, text) for session, text in sent]) == 3


def test_log_gives_statements_of_one_database_with_their_sender(tmp_path: Path):
    file = tmp_path / "postgres.log"
    file.write_text("an earlier line\n")
    log = StatementLog(file)
    assert log.statements("shop") == []
    with file.open("a") as later:
        later.write("%>shop-web|shop|7> LOG:  statement: SELECT 1,\n\t2\n")
        later.write("%>bench|shop|8> LOG:  statement: SELECT 3\n%>shop-web|other|9> LOG:  statement: SELECT 4\n")
        later.write(
            "%>shop-worker|shop|7> LOG:  execute <unnamed>: SELECT $1\n%>shop-worker|shop|7> DETAIL:  Parameters: $1 = '5'\n"
        )

    assert log.statements("shop") == [
        Statement("shop-web", "7", "SELECT 1, 2"),
        Statement("shop-worker", "7", "SELECT $1"),
    ]
