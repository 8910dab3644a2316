"""One piece of work in several contexts: where it fails in one, the others have their turn, and then the error is raised."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog
from celery.exceptions import SoftTimeLimitExceeded

log = structlog.get_logger(__name__)


@dataclass
class Failures:
    """What the work raised in the contexts where it failed."""

    errors: list[Exception] = field(default_factory=list)

    @contextmanager
    def kept(self, context: str) -> Iterator[None]:
        """Keep what the work of one context raises, so that the others have their turn. Raises: SoftTimeLimitExceeded."""
        try:
            yield
        except SoftTimeLimitExceeded:
            raise
        except Exception as error:
            log.exception("sweep.context_failed", context=context)
            self.errors.append(error)

    def raise_kept(self) -> None:
        """Raise what was kept: one error as it is, several together."""
        if len(self.errors) > 1:
            raise ExceptionGroup("the work of some contexts failed", self.errors)
        if self.errors:
            raise self.errors[0]
