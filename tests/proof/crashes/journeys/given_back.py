"""Ways of mails and parcels that a process takes for itself, and gives back: it has no time for them, or it ends.

The process's background thread works them. Here the doomed process's only thread does, so that it comes to the same points each time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

from django.conf import settings
from django.test import override_settings

from notifications import gateways
from notifications.models import Email, EmailStatus
from notifications.services import sending
from shipping.gateways import CARRIERS
from shop.events import relay
from shop.work import background, handover, turn
from tests.proof.crashes.children import Tell
from tests.proof.crashes.journeys.journey import Journey


class GivenBack(Journey):
    """One delivery confirms three orders; the first mail, and the first parcel, take too long for those behind them.

    Mails are written to `settings.EMAIL_FILE_PATH`, so that what a dead process has sent is known.
    """

    name, floor = "given back", 30
    status, money, stock = "DELIVERED", (1, 1250), (7, 0, 3)
    orders: ClassVar[int] = 3
    bookings = 3
    mails: ClassVar[dict[str, int]] = {"order_confirmed": 3, "order_shipped": 3}
    taken_twice = 0

    def begin(self) -> None:
        for letter in files():
            letter.unlink()
        super().begin()

    def prepare(self) -> None:
        """Place the orders; their facts wait in the outboxes."""
        for _order in range(self.orders):
            self.shopper.place()

    def act(self, tell: Tell) -> None:
        carrier = CARRIERS[settings.SHIPPING_CARRIER]
        with in_this_thread() as run_what_waits, self._late(gateways, "send"), self._late(carrier, "book"):
            relay.drain_all()
            run_what_waits()

    @contextmanager
    def _late(self, owner: Any, name: str) -> Iterator[None]:
        """Have the outside answer late: before what it did is recorded, those behind have waited for too long."""
        call = getattr(owner, name)

        def answer_late(*arguments: Any, **named: Any) -> Any:
            answer = call(*arguments, **named)
            self.give_back()
            return answer

        with mock.patch.object(owner, name, answer_late):
            yield

    def give_back(self) -> None:
        """Do what the thread that watches the deliveries does every few seconds."""
        for portion in turn._under_way:
            portion.ends = 0.0
        handover.give_back()

    def again(self) -> Any:
        return None

    def note_what_was_taken(self) -> None:
        """Note which mails will be sent again: the mail server has them, and no row says so."""
        sent = {str(pk) for pk in Email.objects.filter(status=EmailStatus.SENT).values_list("pk", flat=True)}
        self.taken_twice = len(set(letters()) - sent)

    def wrongs(self, lived: Any, answer: Any) -> list[str]:
        wrong = super().wrongs(lived, answer)
        taken, known = letters(), {str(pk) for pk in Email.objects.values_list("pk", flat=True)}
        wrong += [f"{len(known - set(taken))} mails never reached the mail server"] if known - set(taken) else []
        twice = len(taken) - len(set(taken))
        if twice != self.taken_twice or twice > 1:
            wrong.append(f"{twice} mails were sent twice; one may be, that was under way as the process died")
        return wrong


class LeftAtTheEnd(GivenBack):
    """The same, and the process ends in order: it gives back what it has not begun, mails and parcels."""

    name, floor = "left at the end", 30

    def give_back(self) -> None:
        handover.give_back(all_of_them=True)


class TriedBefore(GivenBack):
    """A sweep claims three mails of which one was tried before: it gives the others back, and works that one alone."""

    name, floor = "tried before", 20

    def prepare(self) -> None:
        super().prepare()
        relay.drain_all()
        first, *_others = Email.objects.order_by("queued_at", "id").values_list("pk", flat=True)
        Email.objects.filter(pk=first).update(attempts=1)

    def act(self, tell: Tell) -> None:
        sending.send_due_emails()


JOURNEYS: tuple[type[GivenBack], ...] = (GivenBack, LeftAtTheEnd, TriedBefore)


@contextmanager
def in_this_thread() -> Iterator[Callable[[], None]]:
    """Take what is handed over as a process does that runs sweeps; give what runs all of it, in this thread.

    The facts that it tells stay in the outboxes.
    """
    runner = background._Runner()

    def run_what_waits() -> None:
        while names := runner._moments.take(timeout=0):
            runner._run_errands()
            for name in sorted({*names} - {background._ERRANDS}):
                runner._run_sweep(name)

    with ExitStack() as stack:
        stack.enter_context(
            override_settings(EVENTS_WAKE_IN_PROCESS=True, EVENTS_NUDGE_GATHER_SECONDS=0.0, BROKER_URL="")
        )
        stack.enter_context(mock.patch.object(background, "_runner", return_value=runner))
        stack.enter_context(mock.patch.object(background, "_made", (os.getpid(), runner)))
        stack.enter_context(mock.patch.object(relay, "wake"))
        yield run_what_waits


def letters() -> list[str]:
    """Return the ids of the emails that the mail server was given, once for each time."""
    marker = "Message-ID: <"
    lines = [line for each in files() for line in each.read_text().splitlines()]
    return [line.removeprefix(marker).partition("@")[0] for line in lines if line.startswith(marker)]


def files() -> list[Path]:
    """Return the files that the mail server has written."""
    return [*Path(settings.EMAIL_FILE_PATH).iterdir()]  # type: ignore[misc]  # a setting of the test
