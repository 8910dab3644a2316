"""One history: a small shop, some steps, then the faults end, everything comes to rest, and the judge speaks."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from django.apps import apps
from django.core import mail
from django.core.cache import cache
from django.db import connections, router

from orders.gateways import inventory_breaker
from payments import tasks as payment_tasks
from payments.gateways.stripe import adapter as stripe_adapter
from payments.services.disputes import ASK_AFTER_THE_END
from shop.contexts import CONTEXTS
from shop.events import inbox, outbox, relay
from shop.events.unheard import note_subscriptions
from tests.proof.simulator.actions import offers
from tests.proof.simulator.choices import Choices, Script
from tests.proof.simulator.clients import Wish
from tests.proof.simulator.codes import take_along
from tests.proof.simulator.deliveries import deliver_or_lose_webhook
from tests.proof.simulator.disputed import every_bank_decides, reconcile_if_disputed, staff_decide, staff_make_good
from tests.proof.simulator.due import IDLE, WAITS, moments_due, ready_among
from tests.proof.simulator.judge import Judge
from tests.proof.simulator.offer import Offer
from tests.proof.simulator.openings import open_shop
from tests.proof.simulator.persons import ask_again
from tests.proof.simulator.plans import Plan, draw_plan
from tests.proof.simulator.visitors import VISITORS
from tests.proof.simulator.workers import sweeps_by_name
from tests.proof.simulator.world import World

FEWEST_STEPS, MOST_STEPS = 8, 24
SETTLING_ROUNDS = 60
AUDIT_PATIENCE_SECONDS = 600.0
# Of so many histories one is judged after each commit and each answer of the provider, the others after each step: a
# judgment costs as much as what it judges.
WATCHED = 4
MOMENT = timedelta(milliseconds=1)
# Whose tables a history begins without; of the sandbox carrier, too.
EMPTIED = (*CONTEXTS, "shop", "carrier")
KEPT = {"shop_subscription", "shop_user", "shop_user_groups", "shop_user_user_permissions"}


@dataclass(frozen=True)
class Told:
    """What became of one history."""

    seed: int
    words: tuple[str, ...]
    kinds: Counter[str]
    violations: tuple[str, ...]
    script: Script

    @property
    def replay(self) -> str:
        """The command that shows it again."""
        return f"make simulate N=1 SEED={self.seed} VERBOSE=1"

    def __str__(self) -> str:
        numbered = "\n".join(self.words)
        broken = "".join(f"\n  {violation}" for violation in self.violations)
        return f"seed {self.seed}\n{numbered}\nviolations: {broken or 'none'}\nreplay: {self.replay}"


class Simulator:
    """Tells histories, one after the other, in a database of its own."""

    def __init__(self) -> None:
        self.world = World()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Have everything in place."""
        logging.disable(logging.CRITICAL)
        try:
            with self.world.installed():
                note_subscriptions()
                yield
        finally:
            logging.disable(logging.NOTSET)

    def tell(self, seed: int, script: Script | None = None) -> Told:
        """Run the history of a seed, or of recorded choices."""
        world, choices = self.world, Choices(seed, script)
        self._empty(seed)
        world.begin(choices)
        self._judge = Judge(world)
        world.take_step, world.look = self._step, self._judge.look
        world.watched = seed % WATCHED == 0
        choices.begin_step()
        open_shop(world)
        steps = FEWEST_STEPS + choices.draw(MOST_STEPS - FEWEST_STEPS)
        if choices.steps_recorded is not None:
            steps = choices.steps_recorded - 2
        for _step in range(steps):
            choices.begin_step()
            self._step(0)
        choices.begin_step()
        try:
            self._settle()
            self._judge.at_rest()
        except Exception as error:  # noqa: BLE001  nothing is disturbed any more: a bug
            world.violated(f"coming to rest raises {type(error).__name__}: {error}")
        return Told(seed, tuple(self._numbered()), world.kinds, tuple(world.violations), choices.made)

    # --- the steps ------------------------------------------------------------------------------------------------------
    def _step(self, depth: int, among: Sequence[Offer] = ()) -> None:
        world = self.world
        action = world.choices.weighted(among or offers(world))
        plan = draw_plan(world.choices, action.asks, VISITORS) if action.disturbed else Plan()
        begun = len(world.lines)
        try:
            outcome = world.run(action.act, plan, depth)
        except Exception as error:  # noqa: BLE001  whatever the product raises here is a bug, and told as one
            outcome = f"raises {type(error).__name__}: {error}"
            world.violated(f"{world.lines[begun].strip() if len(world.lines) > begun else '?'} {outcome}")
        if outcome and len(world.lines) > begun:
            if len(world.lines) == begun + 1:
                world.lines[begun] += f": {outcome}"
            else:
                world.lines.append(f"{'   ' * depth}-> {outcome}")
        self._judge.look()

    def _numbered(self) -> Iterator[str]:
        number = 0
        for line in self.world.lines:
            if line.startswith((" ", "-")):
                yield f"     {self.world.in_words(line)}"
                continue
            number += 1
            yield f"{number:3}. {self.world.in_words(line)}"

    # --- the end --------------------------------------------------------------------------------------------------------
    def _settle(self) -> None:
        """End the faults, let arrive what still comes, and let time pass until nothing is left to do."""
        world = self.world
        world.calm = True
        world.lines.append("the faults end; everything that is still on its way arrives or is lost")
        while world.bank.late:
            world.lines.append(f"a late request arrives: {world.bank.let_late_request_arrive(0)}")
        every_bank_decides(world)
        ask_again(world)
        world.bank.collect_notices()
        while world.bank.notices:
            deliver_or_lose_webhook(world)
        reconcile_if_disputed(world)
        self._come_to_rest()
        payment_tasks.reconcile_recent()
        if world.bank.disputed:
            world.clock.advance(ASK_AFTER_THE_END.total_seconds())
            self._come_to_rest()
            self._judge.holds()
            staff_decide(world)
        for wish in self._wishes():
            world.people.ask(wish)
            if not any(answer.is_final for answer in wish.answers[:-1]):
                world.people.ask(wish)
        self._come_to_rest()
        if world.bank.disputed:
            staff_make_good(world)
            self._come_to_rest()
        for wish in self._wishes():
            if not wish.answers[-1].is_final:
                world.people.ask(wish)
        self._come_to_rest()
        self._end_of_persons()
        world.clock.advance(AUDIT_PATIENCE_SECONDS)

    def _end_of_persons(self) -> None:
        """Have the account sign in that has verified the guest's mailbox, and let erasures end."""
        if self.world.people.verified:
            take_along(self.world)
            self._come_to_rest()
        if self.world.people.erased:
            self.world.bank.carry_out_refunds()
            self._come_to_rest(without=(IDLE,))

    def _wishes(self) -> list[Wish]:
        """Return what may be asked again: an account that is erased opens no more."""
        return [wish for wish in self.world.people.wishes if self.world.people.may_ask(wish.who)]

    def _come_to_rest(self, *, without: tuple[str, ...] = (IDLE, WAITS)) -> None:
        """Run every sweep and deliver every message, from one moment at which something is due to the next."""
        world, jumps = self.world, 0
        for _round in range(SETTLING_ROUNDS):
            self._deliver_everything()
            moments = moments_due()
            ready = ready_among(moments, world.clock.moment)
            moved = sum(
                relay.drain(context) for context in outbox.publishing_contexts() if f"{context} outbox" in ready
            )
            moved += sum(sweep.run() for sweep in sweeps_by_name() if sweep.context in ready)
            if moved or world.held:
                continue
            if "shop" in ready:
                # An erasure that went on and is not finished counts as nothing done. The others' moments stay as they were:
                # a refund on which a bank takes its time is asked about for ever.
                moments = [each for each in moments if not each[0].startswith("shop")]
                moments += [each for each in moments_due() if each[0].startswith("shop")]
            later = [
                moment for context, moment in moments if moment > world.clock.moment and not context.endswith(without)
            ]
            if not later:
                return
            # Whoever waits for a customer looks again every 10 seconds, then 30: later is early enough for that.
            world.clock.moment = max(min(later) + MOMENT, world.clock.moment + timedelta(seconds=10 * jumps))
            jumps += jumps + 1
        world.violated(f"I10 after {SETTLING_ROUNDS} rounds there is still work that is due: {moments_due()}")

    def _deliver_everything(self) -> None:
        world = self.world
        while world.held:
            message = world.held.pop(world.choices.draw(len(world.held)))
            inbox.deliver(subscriber=message.subscriber, attributes=message.attributes)

    # --- the beginning --------------------------------------------------------------------------------------------------
    def _empty(self, seed: int) -> None:
        written, self.world.points.written = self.world.points.written, set()
        for alias in connections:
            tables = [
                model._meta.db_table
                for model in apps.get_models(include_auto_created=True)
                if model._meta.app_label in EMPTIED
                and model._meta.db_table in written - KEPT
                and router.db_for_write(model) == alias
            ]
            if tables:
                with connections[alias].cursor() as cursor:
                    # The ledger refuses DELETE by a trigger.
                    cursor.execute(
                        "SET session_replication_role = replica; "
                        + "".join(f"DELETE FROM {table}; " for table in sorted(tables))
                        + "SET session_replication_role = DEFAULT"
                    )
        self.world.points.written = set()
        self.world.dice.begin(seed)
        cache.clear()
        mail.outbox.clear()
        inventory_breaker.reset()
        stripe_adapter.BREAKER.reset()
