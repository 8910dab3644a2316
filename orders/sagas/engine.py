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
from celery.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError

from orders import services
from orders.queries import OrderProgress, OrderState, get_progress
from orders.rules import cancel_reason
from payments import api as payments
from shop.clock import now
from shop.errors import Fault, Refusal
from shop.resilience.retry import backoff_seconds
from shop.rest.problem import plain

log = structlog.get_logger(__name__)

RETRY_CAP_SECONDS = 30.0
PARK_AFTER_ATTEMPTS = 10

Action = Callable[[OrderProgress], None]
# What is done where a step is refused: with the refusal, and the steps that were taken.
Instead = Callable[[OrderProgress, Refusal, list[dict[str, Any]]], None]


class WaitingForOutside(Exception):
    """A step can go on only once somebody outside has acted; `for_whom` says who.

    `until_deadline`: look again at the order's payment deadline at the latest.
    """

    def __init__(self, for_whom: str, *, look_again_seconds: float, until_deadline: bool = True) -> None:
        super().__init__(for_whom)
        self.for_whom = for_whom
        self.look_again_seconds = look_again_seconds
        self.until_deadline = until_deadline


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

    `passes`: a walk that goes on from there leaves the status unwritten; it is written where the walk ends in it.
    `until_deadline`: a Fault is retried until the order's payment deadline, then unwinds. `if_refused`: what is done
    with the order if this step is refused, for a saga that does not unwind.
    """

    do: Action
    undo: Action | None = None
    then: str | None = None
    passes: bool = False
    until_deadline: bool = False
    if_refused: Instead | None = None

    @property
    def name(self) -> str:
        """The name in logs and timelines."""
        return self.do.__name__


@dataclass(frozen=True)
class Saga:
    """A process over one order as a table: where it starts, its steps, and how it unwinds.

    `last_look`: asked once before a step is refused because its time is over; True where the outside was in time.
    """

    name: str
    starts: str
    steps: tuple[Step, ...]
    unwinding: str | None = None
    unwound: str | None = None
    last_look: Callable[[OrderProgress], bool] | None = None

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
        """Return whether this saga moves an order of that status."""
        return status in self.stages() or status == self.unwinding


@dataclass
class _Walk:
    """One pass over one order: what it knows of the order and the log of the steps it took."""

    saga: Saga
    order: OrderProgress
    steps: list[dict[str, Any]] = field(default_factory=list)
    moved: bool = False
    in_time: bool | None = None

    def was_in_time(self) -> bool:
        """Return whether the outside had done its part before our look, which comes late; asked once in a walk.

        Where that cannot be asked the order turns around as if not: its undos fence whatever is under way.
        """
        if self.in_time is None:
            try:
                self.in_time = self.saga.last_look is not None and self.saga.last_look(self.order)
            except Fault as fault:
                log.warning("saga.last_look_failed", saga=self.saga.name, error=fault.code)
                self.in_time = False
        return self.in_time

    def take(self, action: Action, *, undo: bool = False) -> None:
        began = time.monotonic()
        entry: dict[str, Any] = {"step": action.__name__}
        try:
            action(self.order)
        except Exception as error:
            entry["outcome"] = getattr(error, "code", "") or getattr(error, "for_whom", "") or type(error).__name__
            raise
        else:
            entry["outcome"] = "undone" if undo else "done"
        finally:
            # `at` is when it ended: the story tells what a step has brought about before the step.
            entry |= {"at": now().isoformat(), "ms": round((time.monotonic() - began) * 1000)}
            self.steps.append(entry)


@dataclass(frozen=True)
class Reached:
    """How far a walk came: the order's status, and what ended the walk before the saga was through."""

    status: str
    fault: Fault | None = None
    waiting_for: str = ""
    # What the walk knows by then, so that an answer need not read it: None where it must be read.
    order: OrderState | None = None
    payment: payments.PaymentState | None = None


def run(sagas: tuple[Saga, ...], *, order_id: uuid.UUID, placed: OrderProgress | None = None) -> Reached:
    """Walk an order as far as it goes now, and return where it stands.

    `placed` is the order as this very caller has just placed it; without it the order is read. A Fault or a wait for
    somebody outside ends the walk; the saga's row then says when it is looked at again.
    Raises: OrderNotFound; and any bug, after parking the saga.
    """
    order = placed or get_progress(order_id=order_id)
    steps: list[dict[str, Any]] = []
    with structlog.contextvars.bound_contextvars(order_id=str(order_id)):
        began_as = order.status
        while saga := next((saga for saga in sagas if saga.drives(order.status)), None):
            if (ended := _take_stage(_Walk(saga, order, steps, moved=order.status != began_as))) is not None:
                return ended
    return _reach(order)


def _reach(order: OrderProgress, *, fault: Fault | None = None, waiting_for: str = "") -> Reached:
    if fault is not None:
        # Where a call was not answered, what the walk knows may be behind the rows.
        return Reached(order.status, fault=fault)
    return Reached(order.status, waiting_for=waiting_for, order=order.known, payment=order.payment)


def _take_stage(walk: _Walk) -> Reached | None:
    """Take the steps of the order's present status; say so where the walk ends here for now."""
    saga, order = walk.saga, walk.order
    try:
        if order.status == saga.unwinding:
            _unwind(walk)
        else:
            _go_forward(walk)
    except WaitingForOutside as wait:
        if not _write_what_was_passed(walk):
            return None
        services.suspend_saga(
            order_id=order.order_id,
            saga=saga.name,
            waiting_for=wait.for_whom,
            look_again_seconds=wait.look_again_seconds,
            until_deadline=wait.until_deadline,
            payment_method=order.payment_method,
            standing=order.standing,
            steps=walk.steps,
        )
        return _reach(order, waiting_for=wait.for_whom)
    except Fault as fault:
        if not _write_what_was_passed(walk):
            return None
        _postpone(walk, f"{fault.code}: {fault}", parks_after=PARK_AFTER_ATTEMPTS)
        return _reach(order, fault=fault)
    except (OperationalError, InterfaceError):
        # Our own database is away or would not wait: no bug, and nothing could be noted. The saga's lease brings it back.
        log.warning("saga.database_unavailable", saga=saga.name, status=order.status)
        raise
    except SoftTimeLimitExceeded:
        # The worker's time is over, not the order's. The saga's lease brings it back.
        log.warning("saga.out_of_time", saga=saga.name, status=order.status)
        raise
    except Exception as error:
        log.exception("saga.bug", saga=saga.name, status=order.status)
        _write_what_was_passed(walk)
        _postpone(walk, "".join(traceback.format_exception(error)), parks_after=1)
        raise
    return None


def _go_forward(walk: _Walk) -> None:
    saga, order = walk.saga, walk.order
    stage = saga.stages()[order.status]
    for step in stage:
        try:
            if step.until_deadline and order.overdue and not walk.was_in_time():
                failed = services.saga_attempts(order_id=order.order_id, saga=saga.name)
                raise (PaymentUnavailable if failed else PaymentDeadlinePassed)(order_id=str(order.order_id))
            walk.take(step.do)
        except Refusal as refusal:
            _turn_around(walk, step, refusal)
            return
    last = stage[-1]
    assert last.then is not None  # noqa: S101  stages() ends each stage with a step that has one
    if last.passes:
        order.pass_through(str(last.then))
    else:
        _move(walk, last.then, ends_saga=last.then == saga.ends)


def _turn_around(walk: _Walk, step: Step, refusal: Refusal) -> None:
    saga, order = walk.saga, walk.order
    if step.if_refused is not None:
        step.if_refused(order, refusal, walk.steps)
        _look_again(walk)
    elif saga.unwinding is not None:
        facts = {"code": refusal.code, "detail": refusal.detail, **plain(refusal.facts)}
        reason = cancel_reason(refusal.code)
        # The customer may have been given more time since the walk looked at the deadline.
        deadline = order.pay_before if isinstance(refusal, PaymentDeadlinePassed | PaymentUnavailable) else None
        if not services.refuse_order(order=order, reason=reason, facts=facts, deadline=deadline):
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


def _write_what_was_passed(walk: _Walk) -> bool:
    """Write the status that the walk has passed into and ends in; False where somebody else moved the order first."""
    order = walk.order
    if not order.stored:
        return True
    passed, order.status, order.stored = order.status, order.stored, ""
    _move(walk, passed, ends_saga=False)
    return order.status == passed


def _move(walk: _Walk, to: str, *, ends_saga: bool) -> None:
    if not services.advance_order(order=walk.order, to=to, saga=walk.saga.name, steps=walk.steps, ends_saga=ends_saga):
        _look_again(walk)


def _look_again(walk: _Walk) -> None:
    """Continue from the order's present status: somebody else moved it."""
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
