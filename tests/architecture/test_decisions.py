"""docs/adr/README.md lists every decision by its number and title, and names the numbers that were not used."""

from __future__ import annotations

import re
from pathlib import Path

ADR = Path(__file__).resolve().parents[2] / "docs" / "adr"
INDEX = (ADR / "README.md").read_text()


def test_each_decision_is_listed_with_its_title():
    pages = {page.name: page.read_text().partition("\n")[0] for page in ADR.glob("0*.md")}
    made = {(f"{int(name[:4])}", title.partition(". ")[2], name) for name, title in pages.items()}

    assert set(re.findall(r"^\| (\d+) \| \[(.+?)\]\(([\w.-]+)\) \|", INDEX, re.MULTILINE)) == made


def test_each_number_is_used_or_named_as_not_used():
    listed = [int(number) for number in re.findall(r"^\| (\d+) \|", INDEX, re.MULTILINE)]
    left_out = {int(number) for number in re.findall(r"\d+", re.search(r"([\d and,]+) were not used", INDEX)[1])}

    assert listed == [number for number in range(1, listed[-1] + 1) if number not in left_out]
