"""docs/how-to/errors.md names every problem that the API's description knows, with its statuses, once."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

from tests.contract import PROBLEM, codes_of, description, resolve

# Of every address, so it stands at no operation.
EVERYWHERE = {"method_not_allowed": {"405"}}


def test_the_page_of_errors_has_a_row_for_each_code_with_its_statuses():
    statuses: defaultdict[str, set[str]] = defaultdict(set, EVERYWHERE)
    for item in description()["paths"].values():
        for operation in item.values():
            for status, answer in operation["responses"].items():
                if PROBLEM in resolve(answer).get("content", {}):
                    for code in codes_of(answer):
                        statuses[code].add(status)

    page = Path("docs/how-to/errors.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| ([\d, ]+) \| [^|]+ \| [^|]+ \|$", page, re.MULTILINE)

    assert sorted(rows) == sorted((code, ", ".join(sorted(each))) for code, each in statuses.items())
