"""The shop of one history and everything around it: customers, bus, provider, clock, and what goes wrong when.

One scheduler chooses everything. An action that another one comes between waits while that runs to its end, in a thread
with database connections of its own; so at any moment one thread runs, and which is no chance.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Any

from django.db import OperationalError

from inventory.api import InventoryUnavailable
from shop.events import subscribers
from shop.events.event import Envelope
from shop.events.port import TransportUnavailable
from tests.proof.simulator.bank import Bank, Wire, spoken_to
from tests.proof.simulator.choices import Choices
from tests.proof.simulator.clients import People, Placed, Wish
from tests.proof.simulator.clock import VirtualClock
from tests.proof.simulator.due import moments_due
from tests.proof.simulator.kinds import KINDS
from tests.proof.simulator.offer import Offer
from tests.proof.simulator.patches import Dice, patches
from tests.proof.simulator.plans import Plan
from tests.proof.simulator.points import Points
from tests.proof.simulator.workplace import Frame, Helper, Killed, Message

DEEPEST = 2
JUDGE = -1


class World:
    """The state of one history, the log of what happened, and the hooks that the running code meets."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.bank = Bank(self.clock)
        self.points = Points(self.clock, self)
        self.people = People()
        self.dice = Dice()
        self._helpers: dict[int, Helper] = {}
        self._frames = threading.local()
        self.take_step: Callable[[int, Sequence[Offer]], None] = lambda _depth, _among: None
        self.look: Callable[..., None] = lambda: None

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Put the world around the product."""
        with ExitStack() as stack:
            stack.enter_context(self.clock.installed())
            stack.enter_context(self.points.installed())
            stack.enter_context(spoken_to(Wire(self.bank, self, self._fault_of_request)))
            stack.enter_context(patches(self))
            self.people.arrive()
            try:
                yield
            finally:
                for helper in self._helpers.values():
                    helper.stop()
                self._helpers.clear()
                self.bank.close()

    def begin(self, choices: Choices) -> None:
        """Begin a history."""
        self.choices = choices
        self.clock.reset()
        self.bank.reset()
        self.people.forget()
        self.held: list[Message] = []
        self.messages = 0
        self.lines: list[str] = []
        self.kinds: Counter[str] = Counter()
        self.violations: list[str] = []
        self.excused_mails = self.excused_bookings = 0
        self.has_codes = False
        self.quotes: list[tuple[str, tuple[str, ...], dict[str, Any]]] = []
        self.calm = self.watched = False
        self.asking: list[Wish] = []
        self._known_after = -1
        self._known: tuple[list[Placed], list[tuple[str, datetime]]] = ([], [])

    def known(self) -> tuple[list[Placed], list[tuple[str, datetime]]]:
        """Return the orders that are recorded, and when something is due; read again after each write only."""
        if self._known_after != self.points.writes:
            self._known_after, self._known = self.points.writes, (self.people.look_up(), moments_due())
        return self._known

    # --- the log ----------------------------------------------------------------------------------------------------
    def say(self, words: str) -> None:
        """Write a line of the history."""
        depth = self._frame.depth if self._frame else 0
        self.lines.append("   " * depth + words)

    def happens(self, kind: str) -> None:
        """Count a kind of fault."""
        if kind not in KINDS:
            raise LookupError(f"{kind} is missing in kinds.py")
        self.kinds[kind] += 1

    def name_of(self, order_id: Any) -> str:
        """Return how the history calls an order."""
        for looked_up in (False, True):
            if looked_up:
                self.people.look_up()
            for placed in self.people.orders:
                if str(placed.order_id) == str(order_id):
                    return f"order {placed.number}"
        return "an order that nobody placed"

    def order_words(self, about: dict[str, Any]) -> str:
        """Return which order an event or a webhook is about."""
        text = str(about)
        if self.bank.disputed:
            text += self.bank.order_of(text)
        return next(
            (
                f"order {placed.number}"
                for placed in self.people.orders
                if placed.order_id and str(placed.order_id) in text
            ),
            "an order",
        )

    def in_words(self, text: str) -> str:
        """Return a text with the orders' numbers in the place of their ids."""
        for placed in self.people.orders:
            if placed.order_id is not None:
                text = text.replace(f"order {placed.order_id}", f"order {placed.number}")
                text = text.replace(str(placed.order_id), f"order {placed.number}")
        return text

    def violated(self, promise: str) -> None:
        """Note a broken promise, once."""
        if promise not in self.violations:
            self.violations.append(promise)
            self.say(f"VIOLATION {promise}")

    # --- running an action ----------------------------------------------------------------------------------------------
    @property
    def _frame(self) -> Frame | None:
        stack: list[Frame] = getattr(self._frames, "stack", [])
        return stack[-1] if stack else None

    def run(self, act: Callable[[], str], plan: Plan, depth: int) -> str:
        """Run an action as the plan disturbs it; return what came of it in words."""
        frame = Frame(plan, depth)
        if not hasattr(self._frames, "stack"):
            self._frames.stack = []
        self._frames.stack.append(frame)
        try:
            return act()
        except Killed as killed:
            return f"the process dies {killed}"
        except (OperationalError, InventoryUnavailable) as error:
            if not plan.database_failed:
                raise
            return f"fails: {error}"
        finally:
            self._frames.stack.pop()

    def meanwhile(self, act: Callable[[], None], depth: int) -> None:
        """Do something in another worker, while this one waits."""
        if depth not in self._helpers:
            self._helpers[depth] = Helper(f"worker {depth}")
        self._helpers[depth].do(act)

    # --- the points -----------------------------------------------------------------------------------------------------
    def before(self, name: str, *, kind: str, undo: Callable[[], None] | None = None) -> None:
        """Meet the moment before something durable or visible."""
        frame = self._frame
        if frame is None:
            return
        self._die_or_fail(frame, f"before {name}", kind, undo)
        if kind in ("carrier", "mail"):
            self._outside_fails(frame, kind, before=True)
        if undo is None:
            self._let_others_in(frame, f"before {name}")

    def after(self, name: str, *, kind: str) -> None:
        """Meet the moment after it."""
        frame = self._frame
        if frame is None:
            return
        if self.watched and kind in ("commit", "provider"):
            # On a connection of its own: the one that has just committed is not yet out of its transaction.
            self.meanwhile(lambda: self.look(money_moved=name.startswith("stripe POST")), JUDGE)
        self._die_or_fail(frame, f"after {name}", kind, None)
        if kind in ("carrier", "mail"):
            self._outside_fails(frame, kind, before=False)
        self._let_others_in(frame, f"after {name}")

    def _die_or_fail(self, frame: Frame, point: str, kind: str, undo: Callable[[], None] | None) -> None:
        frame.points["all"] += 1
        if frame.plan.dies(frame.points["all"]):
            self.happens("worker dies")
            if point == "after mail server send" or point.startswith("after mail"):
                self.excused_mails += 1
            if "notifications_email" in point and point.startswith(("before COMMIT", "before UPDATE")):
                self.excused_mails += 1
            if undo is not None:
                undo()
            raise Killed(point)
        if kind == "commit":
            frame.points["commit"] += 1
            if frame.plan.database_fails(frame.points["commit"]):
                self.happens("database lost " + ("before a commit" if point.startswith("before") else "after a commit"))
                self.say(f"- the database connection is lost {point}")
                if "notifications_email" in point:
                    self.excused_mails += 1
                if point == "before INSERT shop_idempotencykey" and self.asking:
                    self.asking[-1].answer_lost = True
                raise OperationalError("the connection to the database was lost")

    def _outside_fails(self, frame: Frame, kind: str, *, before: bool) -> None:
        if not frame.plan.outside_fails(kind, before=before):
            return
        who = "carrier" if kind == "carrier" else "mail server"
        self.happens(f"{who} {'down' if before else 'answer lost'}")
        self.say(f"- the {who} {'is down' if before else 'does what it is asked and does not answer'}")
        if kind == "mail":
            self.excused_mails += not before
            raise OSError("the mail server hung up")
        from shipping.gateways import CarrierUnavailable

        raise CarrierUnavailable

    def _let_others_in(self, frame: Frame, point: str) -> None:
        frame.points["open"] += 1
        if frame.depth >= DEEPEST or self.calm:
            return
        if (visit := frame.plan.visit_at(frame.points["open"])) is None:
            return
        self.say(f"- meanwhile, {point}:")
        visit(self, frame.depth + 1)

    def _fault_of_request(self, method: str, path: str) -> str:
        frame = self._frame
        if frame is None or self.calm:
            return ""
        fault = frame.plan.fault_of_request(method, path)
        if fault:
            self.happens(f"provider: {fault}" if not fault.startswith("authorization") else fault)
            self.say(f"- at the provider: {fault}")
        return fault

    # --- the bus --------------------------------------------------------------------------------------------------------
    def send(self, envelopes: Sequence[Envelope]) -> Sequence[str]:
        """Be the broker: hold every delivery until the scheduler has it delivered."""
        self.before("transport send", kind="broker")
        frame = self._frame
        fault = "" if frame is None or self.calm else frame.plan.take_broker_fault()
        if fault:
            self.happens(fault)
            self.say(f"- {fault}")
        if fault == "broker down":
            raise TransportUnavailable("no broker")
        arrived = envelopes if fault != "messages lost" else envelopes[: self.choices.draw(len(envelopes))]
        refused = self.choices.draw(len(envelopes)) if fault == "message refused by the broker" else -1
        for number, envelope in enumerate(arrived):
            if number == refused:
                continue
            for subscriber in subscribers.hearers_of(envelope.type, envelope.data):
                self.messages += 1
                self.held.append(Message(self.messages, subscriber.name, envelope.to_json(), self.clock.monotonic()))
        if fault in ("messages lost", "confirms lost"):
            raise TransportUnavailable("the confirms did not come")
        self.after("transport send", kind="broker")
        return ["no queue took it" if number == refused else "" for number in range(len(envelopes))]
