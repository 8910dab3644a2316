"""The worker's consumer: a message that is not a task goes to the dead letters; it neither vanishes nor kills the worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from celery.worker.consumer import Consumer

from shop.events.trusted import distrust

log = structlog.get_logger(__name__)


class DeadLetteringConsumer(Consumer):
    """Celery's consumer acknowledges, and so loses, what it cannot decode; this one rejects it to the dead queue."""

    connection_errors: tuple[type[BaseException], ...]
    channel_errors: tuple[type[BaseException], ...]

    class Blueprint(Consumer.Blueprint):  # type: ignore[misc, valid-type]
        """Celery's steps without the 28 queues of native delayed delivery: what waits here waits in the database."""

        default_steps = [step for step in Consumer.Blueprint.default_steps if not step.endswith(":DelayedDelivery")]

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Reject an undecodable message; `dead_letters.collect` makes a row of it."""
        log.error("event.undecodable", error=repr(exc), content_type=message.content_type)
        message.reject()

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:
        """Return Celery's handler of one message, which a body such as `7` would otherwise crash, worker and all.

        Celery gets only what the shop itself writes: an error in what it trusts may come later, outside of this handler.
        """
        handle = super().create_task_handler(*args, **kwargs)
        broker_is_away = (*self.connection_errors, *self.channel_errors)

        def handle_or_reject(message: Any) -> None:
            try:
                distrust(message)
                handle(message)
            except broker_is_away:
                raise
            except Exception as error:
                if message.acknowledged:
                    raise
                self.on_decode_error(message, error)

        return handle_or_reject
