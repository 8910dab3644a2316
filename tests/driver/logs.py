"""The log as production prints it, kept for a test."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from shop.observability.logging import standard_config


@contextmanager
def captured(*, level: int) -> Iterator[io.StringIO]:
    """Give everything that is logged in the block from `level` on, one JSON object a line."""
    printed = io.StringIO()
    root, before = logging.getLogger(), logging.getLogger().level
    handler = logging.StreamHandler(printed)
    made = standard_config(log_format="json", level="DEBUG")["formatters"]["structured"]
    handler.setFormatter(made["()"](**{name: value for name, value in made.items() if name != "()"}))
    root.addHandler(handler)
    root.setLevel(level)
    try:
        yield printed
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
