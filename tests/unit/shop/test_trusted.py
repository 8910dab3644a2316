"""What Celery may believe of a message: what the shop itself writes, and nothing else."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from shop.events.messages import DELIVER_BATCH_TASK, DELIVER_TASK
from shop.events.trusted import NotOfTheShop, distrust


def message(task: str = "orders.resume_sagas", body: Any = None, **headers: Any) -> Any:
    plain = {"id": "1", "task": task}
    return SimpleNamespace(headers=plain | headers, payload=[[], {}, {"chord": None}] if body is None else body)


def test_what_the_shop_does_not_write_is_taken_off():
    believed = message(expires="2026-11-30T12:00:00+00:00", timelimit=[1, 1], traceparent="00-1-2-01")

    distrust(believed)

    assert set(believed.headers) == {"id", "task", "expires", "traceparent"}


@pytest.mark.parametrize(
    "wrong",
    [
        message(DELIVER_TASK, expires="2026-11-30T12:00:00+00:00"),
        message(DELIVER_BATCH_TASK, expires="2026-11-30T12:00:00+00:00"),
        message(expires="tomorrow"),
        message(expires="2026-11-30T12:00:00"),
        message(expires=60),
        message(eta="2026-11-30T12:00:00+00:00"),
        message(task=""),
        message(body={}),
        message(body=[[], {}]),
        message(body=[{}, [], {}]),
        message(body=[[], {}, {"chain": ["another"]}]),
        message(body=[[], {}, {"errbacks": [], "more": None}]),
    ],
)
def test_a_message_that_no_process_of_the_shop_writes_is_refused(wrong: Any):
    with pytest.raises(NotOfTheShop):
        distrust(wrong)
