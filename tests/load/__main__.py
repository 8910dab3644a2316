"""`python -m tests.load [ROW ...]`: measure the rows (all without arguments), print them, write var/bench.json and .svg.

Exits 1 if a row is below what it must reach at least, or gives no result.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

from local.processes import ROOT, StartFailed
from tests.load.bench import Bench
from tests.load.machine import Others
from tests.load.picture import picture
from tests.load.result import BARS, Row, no_result
from tests.load.rows import FED, SCENARIOS

# Above this share of the machine a ratio is not to be believed.
BUSY = 0.3
JSON_FILE, SVG_FILE = ROOT / "var" / "bench.json", ROOT / "var" / "bench.svg"


def main(arguments: list[str]) -> int:
    """Measure and tell."""
    wanted = {name for argument in arguments for name in argument.replace(",", " ").split()}
    if unknown := wanted - set(BARS) - {scenario.__name__ for scenario in SCENARIOS}:
        sys.stderr.write(f"no such row: {', '.join(sorted(unknown))}; the rows are {', '.join(BARS)}\n")
        return 2
    # Ended from outside, it ends what it has started all the same.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    chosen = [each for each in SCENARIOS if not wanted or wanted & {each.__name__, *FED.get(each.__name__, ())}]
    rows: list[Row] = []
    started = time.monotonic()
    with Bench() as bench:
        for scenario in chosen:
            _say(f"{scenario.__name__}: {(scenario.__doc__ or '').splitlines()[0]}")
            began = time.monotonic()
            measured = _measured(bench, scenario)
            rows += measured
            for row in measured:
                _say(f"  {_line(row)}   ({time.monotonic() - began:.0f} s)")
            _write(rows)
    _say(f"\n{table(rows)}\n\n{len(rows)} rows in {(time.monotonic() - started) / 60:.1f} minutes")
    return 1 if any(row.verdict in ("below", "no result") for row in rows) else 0


def _measured(bench: Bench, scenario: Callable[[Bench], list[Row]]) -> list[Row]:
    """Run a scenario; a shop whose audit is not clean afterwards has no result."""
    names = list(FED.get(scenario.__name__, (scenario.__name__,)))
    try:
        with Others(lambda: (pid for roots in bench.cluster.groups().values() for pid in roots)) as others:
            rows: list[Row] = scenario(bench)
    except StartFailed as error:
        bench.give_up()
        return no_result(names, str(error))
    if broken := bench.audit():
        return no_result(names, f"the audit is not clean: {broken}")
    for row in rows:
        row.others = others.share
    return rows


def _line(row: Row) -> str:
    value = "-" if row.value is None else f"{row.value:.3g}"
    bound = "<=" if row.bar.lower_is_better else ">="
    note = f"  {row.note.splitlines()[0]}" if row.note else ""
    if row.others > BUSY:
        note += f"  (others had {row.others:.0%} of the machine: run it again)"
    return f"{row.bar.name:<19} {value:>8} {row.bar.unit:<20} {bound} {row.bar.least:<5g} aim {row.bar.aim:<5g} {row.verdict}{note}"


def table(rows: list[Row]) -> str:
    """Return all rows as text."""
    return "\n".join(_line(row) for row in rows)


def _write(rows: list[Row]) -> None:
    """Write what is there so far; rows of an earlier run that this one does not measure stay."""
    JSON_FILE.parent.mkdir(exist_ok=True)
    known = {row["name"]: row for row in _earlier()}
    now = datetime.now(UTC).isoformat(timespec="seconds")
    known |= {row.bar.name: row.to_json() | {"measured_at": now} for row in rows}
    ordered = [known[name] for name in BARS if name in known]
    JSON_FILE.write_text(json.dumps({"rows": ordered}, indent=1) + "\n")
    SVG_FILE.write_text(picture(ordered))


def _earlier() -> list[dict[str, object]]:
    try:
        found: list[dict[str, object]] = json.loads(JSON_FILE.read_text())["rows"]
    except (OSError, ValueError, KeyError):
        return []
    return found


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
