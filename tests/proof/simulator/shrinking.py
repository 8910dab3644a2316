"""Makes a failing history short: steps are taken out of its recorded choices as long as the same promise stays broken."""

from __future__ import annotations

from tests.proof.simulator.history import Simulator, Told

PROMISE_LETTERS = 12


def shrink(simulator: Simulator, told: Told) -> Told:
    """Return the shortest history found that breaks what `told` broke first."""
    wanted = told.violations[0][:PROMISE_LETTERS]
    best, size = told, max(1, len(told.script) // 2)
    while size:
        position = 1
        while position < len(best.script) - 1:
            fewer = best.script[:position] + best.script[min(position + size, len(best.script) - 1) :]
            tried = simulator.tell(told.seed, fewer)
            if any(violation.startswith(wanted) for violation in tried.violations):
                best = tried
            else:
                position += size
        size //= 2
    return best
