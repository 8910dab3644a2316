"""Walks an order through its saga: the same loop inline in the request, from the sweep and for staff.

Two workers may walk one order at once. Every step is idempotent and every move of the order is compare-and-set, so the
second one loses a little time and nothing else.
"""

from __future__ import annotations

import time
import traceback
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import structlog
from django.db import InterfaceError, OperationalError

from orders import services
from orders.queries import OrderProgress, get_progress
from orders.rules import cancel_reason
from shop.clock import now
from shop.errors import Fault, Refusal
from shop.resilience.retry import backoff_seconds

log = structlog.get_logger(__name__)

RETRY_CAP_SECONDS = 30.0
PARK_AFTER_ATTEMPTS = 10

Action = Callable[[OrderProgress], None]


class WaitingForOutside(Exception):
    """A step can go on only once somebody outside has acted; `for_whom` says who."""

    def __init__(self, for_whom: str, *, look_again_seconds: float) -> None:
        super().__init__(for_whom)
        self.for_whom = for_whom
        self.look_again_seconds = look_again_seconds


class PaymentDeadlinePassed(Refusal):
    """The order was not paid in time."""

    code = "payment_deadline_passed"
    title = "The order was not paid in time"


class PaymentUnavailable(Refusal):
    """The customer did what was asked; a dependency failed until the order's time was over."""

    code = "payment_unavailable"
    title = "The order could not be paid in time: the payment was not available"


@dataclass(frozen=True)
class Step:
    """One step: what it does, its undo, and the status that the order reaches `then`.

    `until_deadline`: a Fault is retried until the order's payment deadline, then unwinds. `if_refused`: where the order
    goes if this step is refused, for a saga that does not unwind.
    """

    do: Action
    undo: Action | None = None
    then: str | None = None
    until_deadline: bool = False
    if_refused: str | None = None

    @property
    def name(self) -> str:
        """The name in logs and timelines."""
        return self.do.__name__


@dataclass(frozen=True)
class Saga:
    """A process over one order as a table: where it starts, its steps, and how it unwinds."""

    name: str
    starts: str
    steps: tuple[Step, ...]
    unwinding: str | None = None
    unwound: str | None = None

    def stages(self) -> dict[str, tuple[Step, ...]]:
        """Return the steps to take in each status of the order, on the way forward."""
        stages: dict[str, tuple[Step, ...]] = {}
        status = self.starts
        pending: tuple[Step, ...] = ()
        for step in self.steps:
            pending = (*pending, step)
            if step.then is not None:
                stages[str(status)] = pending
                status, pending = step.then, ()
        return stages

    @property
    def ends(self) -> str | None:
        """The status that the last step leads to."""
        return self.steps[-1].then

    def drives(self, status: str) -> bool:
        """Say whether this saga moves an order of that status."""
        return status in self.stages() or status == self.unwinding


@dataclass
class _Walk:
    """One pass over one order: what it knows of the order and the log of the steps it took."""

    saga: Saga
    order: OrderProgress
    steps: list[dict[str, Any]] = field(default_factory=list)
    moved: bool = False

    def take(self, action: Action, *, undo: bool = False) -> None:
        began = time.monotonic()
        entry: dict[str, Any] = {"at": now().isoformat(), "step": action.__name__}
        try:
            action(self.order)
        except Exception as error:
            entry["outcome"] = getattr(error, "code", "") or getattr(error, "for_whom", "") or type(error).__name__
            raise
        else:
            entry["outcome"] = "undone" if undo else "done"
        finally:
            entry["ms"] = round((time.monotonic() - began) * 1000)
            self.steps.append(entry)


@dataclass(frozen=True)
class Reached:
    """How far a walk came: the order's status, and what ended the walk before the saga was through."""

    status: str
    fault: Fault | None = None
    waiting_for: str = ""


def run(sagas: tuple[Saga, ...], *, order_id: uuid.UUID) -> Reached:
    """Walk an order as far as it goes now, and return where it stands.

    A Fault or a wait for somebody outside ends the walk; the saga's row then says when it is looked at again.
    Raises: OrderNotFound; and any bug, after parking the saga.
    """
    order = get_progress(order_id=order_id)
    steps: list[dict[str, Any]] = []
    with structlog.contextvars.bound_contextvars(order_id=str(order_id)):
        began_as = order.status
        while saga := next((saga for saga in sagas if saga.drives(order.status)), None):
            if (ended := _take_stage(_Walk(saga, order, steps, moved=order.status != began_as))) is not None:
                return ended
    return Reached(order.status)


def _take_stage(walk: _Walk) -> Reached | None:
    """Take the steps of the order's present status; say so where the walk ends here for now."""
    saga, order = walk.saga, walk.order
    try:
        if order.status == saga.unwinding:
            _unwind(walk)
        else:
            _go_forward(walk)
    except WaitingForOutside as wait:
        services.suspend_saga(
            order_id=order.order_id,
            saga=saga.name,
            waiting_for=wait.for_whom,
            look_again_seconds=wait.look_again_seconds,
            steps=walk.steps,
        )
        return Reached(order.status, waiting_for=wait.for_whom)
    except Fault as fault:
        _postpone(walk, f"{fault.code}: {fault}", parks_after=PARK_AFTER_ATTEMPTS)
        return Reached(order.status, fault=fault)
    except (OperationalError, InterfaceError):
        # Our own database is away or would not wait: no bug, and nothing could be noted. The saga's lease brings it back.
        log.warning("saga.database_unavailable", saga=saga.name, status=order.status)
        raise
    except Exception as error:
        log.exception("saga.bug", saga=saga.name, status=order.status)
        _postpone(walk, "".join(traceback.format_exception(error)), parks_after=1)
        raise
    return None


def _go_forward(walk: _Walk) -> None:
    saga, order = walk.saga, walk.order
    stage = saga.stages()[order.status]
    for step in stage:
        try:
            if step.until_deadline and order.overdue:
                failed = services.saga_attempts(order_id=order.order_id, saga=saga.name)
                raise (PaymentUnavailable if failed else PaymentDeadlinePassed)(order_id=str(order.order_id))
            walk.take(step.do)
        except Refusal as refusal:
            _turn_around(walk, step, refusal)
            return
    target = stage[-1].then
    assert target is not None  # noqa: S101  stages() ends each stage with a step that has one
    _move(walk, target, ends_saga=target == saga.ends)


def _turn_around(walk: _Walk, step: Step, refusal: Refusal) -> None:
    saga, order = walk.saga, walk.order
    if step.if_refused is not None:
        services.ship_instead(
            order=order,
            carrier=refusal.facts.get("carrier", ""),
            tracking_number=refusal.facts.get("tracking_number", ""),
            steps=walk.steps,
        )
        _look_again(walk)
    elif saga.unwinding is not None:
        facts = {"code": refusal.code, "detail": refusal.detail, **_plain(refusal.facts)}
        reason = cancel_reason(refusal.code)
        if services.refuse_order(order=order, reason=reason, facts=facts):
            order.status, order.cancel_reason = str(saga.unwinding), reason
        else:
            _look_again(walk)
    else:
        raise SagaStuck(f"{step.name} was refused and {saga.name} has no way back: {refusal}") from refusal


class SagaStuck(RuntimeError):
    """A step that must not be refused was: a human has to look."""


def _unwind(walk: _Walk) -> None:
    saga = walk.saga
    for step in reversed(saga.steps):
        if step.undo is not None:
            walk.take(step.undo, undo=True)
    assert saga.unwound is not None  # noqa: S101  a saga that unwinds says where that ends
    _move(walk, saga.unwound, ends_saga=True)


def _move(walk: _Walk, to: str, *, ends_saga: bool) -> None:
    moved = services.advance_order(order=walk.order, to=to, saga=walk.saga.name, steps=walk.steps, ends_saga=ends_saga)
    if moved:
        walk.order.status = str(to)
    else:
        _look_again(walk)


def _look_again(walk: _Walk) -> None:
    """Somebody else moved the order: go on from what it is now."""
    fresh = get_progress(order_id=walk.order.order_id)
    walk.order.__dict__.update(fresh.__dict__)


def _postpone(walk: _Walk, error: str, *, parks_after: int) -> None:
    saga, order = walk.saga, walk.order
    # A walk that took the order on has failed for the first time where it stands now.
    attempts = 1 if walk.moved else services.saga_attempts(order_id=order.order_id, saga=saga.name) + 1
    before_deadline = order.status != saga.unwinding and all(step.until_deadline for step in _stage_of(walk))
    wait = backoff_seconds(attempts, cap=RETRY_CAP_SECONDS)
    log.warning("saga.postponed", saga=saga.name, attempts=attempts, in_seconds=round(wait, 1), error=error[-300:])
    services.postpone_saga(
        order_id=order.order_id,
        saga=saga.name,
        error=error,
        attempts=attempts,
        parks=attempts >= parks_after and (parks_after == 1 or not before_deadline),
        steps=walk.steps,
        wait_seconds=wait,
    )


def _stage_of(walk: _Walk) -> tuple[Step, ...]:
    return walk.saga.stages().get(walk.order.status, ())


def _plain(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: value if isinstance(value, str | int | bool | None) else str(value) for name, value in facts.items()}
