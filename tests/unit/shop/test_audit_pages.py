"""What the audit reads by pages it reads to the end, and asks for no page after the last one."""

from __future__ import annotations

from uuid import UUID

import pytest

from shop import audit


@pytest.mark.parametrize(("rows", "asked"), [(0, 1), (1, 1), (2, 2), (3, 2), (4, 3), (5, 3)])
def test_every_page_is_read_and_none_past_a_short_one(monkeypatch: pytest.MonkeyPatch, rows: int, asked: int):
    monkeypatch.setattr(audit, "PAGE", 2)
    keys = [UUID(int=number) for number in range(1, rows + 1)]
    calls: list[UUID] = []

    def page(*, after: UUID, limit: int) -> list[tuple[UUID]]:
        calls.append(after)
        return [(key,) for key in keys if key > after][:limit]

    assert [key for key, _row in audit._stream(page)] == keys
    assert len(calls) == asked
