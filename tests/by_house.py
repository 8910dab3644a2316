"""How pytest-xdist gives tests to its workers here; see tests/pace.py."""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]  # pytest-xdist has no types for these

from tests import pace


class ByHouse(LoadScopeScheduling):  # type: ignore[misc]
    """Gives a house of pace.SHARE to one worker, and every other test to whichever worker is free."""

    def _split_scope(self, nodeid: str) -> str:
        return next((house for house in pace.SHARE if nodeid.startswith(house)), nodeid)
