"""Stock that is written by the thread that writes for many, for a lone order, too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from shop import coalescing


@pytest.fixture
def together(database: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have even a lone order's stock be written by the thread that writes for many."""
    settings.COALESCE = True
    monkeypatch.setattr(coalescing.Batch, "alone_if_nobody_else_asks", False)
    yield
    coalescing.stop()
