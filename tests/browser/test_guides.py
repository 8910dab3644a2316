"""The commands of the guides, typed as they stand."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from local.processes import ROOT
from tests.browser.running import Shop

# Those that start a shop, or need the database of the one that runs in this checkout.
NOT_HERE = re.compile(r"^(make|\.venv/bin/python manage\.py) ", re.MULTILINE)


def test_the_first_order_is_paid_by_the_commands_of_its_guide(shop: Shop):
    if shutil.which("jq") is None or shutil.which("curl") is None:
        pytest.skip("no jq or curl here (Debian: apt-get install jq curl)")
    guide = (ROOT / "docs" / "how-to" / "first-order.md").read_text()
    blocks = [block for block in re.findall(r"```sh\n(.*?)```", guide, re.DOTALL) if not NOT_HERE.search(block)]
    script = "\n".join(blocks).replace("http://127.0.0.1:8000", shop.url)

    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], capture_output=True, text=True, check=False, timeout=120
    )

    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "MUG-BLUE\tBlue mug\t12.50\tEUR" in done.stdout
    assert '"status": "CONFIRMED"' in done.stdout
    # Two mugs, a tenth off, and 9.90 to Portugal: as it was quoted, and as it was returned.
    assert done.stdout.count('"32.40"') == 3
    assert '"status": "REFUNDED"' in done.stdout
    assert "null" not in done.stdout.replace('"rate": null', "")
