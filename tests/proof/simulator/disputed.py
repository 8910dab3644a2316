"""What cardholders' banks do about payments that were captured, and what staff decide once a dispute is over."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any
from uuid import UUID

from django.db.models import F

from payments import tasks as payment_tasks
from payments.models import Dispute, DisputeStatus, Payment, Refund
from shipping.models import MAY_LEAVE, Hold, Shipment
from shipping.services import holds
from tests.proof.simulator.bank import DisputeLine
from tests.proof.simulator.clients import Placed
from tests.proof.simulator.offer import Action, Offer
from tests.proof.simulator.wishes import cancel_by_staff, refund_by_staff

A_PART = 400
MOST_DISPUTES = 3
TO_ANSWER = ("needs_response", "warning_needs_response", "appeal_needs_response")
CHARGEBACKS = ("needs_response", "under_review", "appeal_needs_response", "appeal_under_review")
APPEALS = ("appeal_needs_response", "appeal_under_review")
INQUIRIES = ("warning_needs_response", "warning_under_review")
# What a bank may decide, by where a dispute stands: in the words of the sandbox, with weights.
DECISIONS: dict[str, tuple[tuple[int, str], ...]] = {
    **dict.fromkeys(CHARGEBACKS, ((6, "win"), (6, "lose"))),
    **dict.fromkeys(INQUIRIES, ((3, "close"), (5, "escalate"))),
    "lost": ((2, "win"), (2, "appeal")),
}
TOLD = {
    "win": "the dispute is won",
    "lose": "the dispute is lost",
    "close": "an inquiry is closed",
    "escalate": "an inquiry becomes a chargeback",
    "appeal": "a lost dispute is appealed",
}
REINSTATED = "funds are reinstated after a loss"


def at_cardholders_banks(world: Any, known: list[Placed]) -> Iterator[Offer]:
    """Offer to dispute what was captured, and what a bank may do about an open dispute or a lost one."""
    bank, number_of = world.bank, {str(placed.order_id): placed.number for placed in known}
    standing = bank.disputes()
    if len(standing) < MOST_DISPUTES:
        for line in bank.known_lines:
            if line.status == "succeeded":
                about = f"order {number_of.get(line.order_id, '?')}"
                yield 4, Action(partial(_dispute, world, line, about), disturbed=False)
    for line in standing:
        about = f"order {number_of.get(line.order_id, '?')}"
        if line.status in TO_ANSWER:
            yield 3, Action(partial(_answer, world, line, about), disturbed=False)
        for weight, outcome in DECISIONS.get(line.status, ()):
            # No bank takes more than what is left.
            if outcome != "escalate" or line.amount <= line.kept:
                yield (
                    weight,
                    Action(partial(_decide, world, line, outcome, about), disturbed=False),
                )


def _dispute(world: Any, line: Any, about: str) -> str:
    return open_dispute(world, line, about, inquiry=world.choices.chance(35), in_part=world.choices.chance(25))


def open_dispute(world: Any, line: Any, about: str, *, inquiry: bool = False, in_part: bool = False) -> str:
    """Have a cardholder dispute what is left of a payment, or a part of it; return what came of it."""
    (left,) = (each["net"] for each in world.bank.ledger() if each["id"] == line.intent_id)
    amount = min(left, A_PART) if in_part else left
    if amount <= 0:
        return ""
    world.happens("an inquiry at the cardholder's bank" if inquiry else "the cardholder disputes")
    world.say(f"the cardholder {'asks about' if inquiry else 'disputes'} {amount} of {about}")
    return str(world.bank.dispute(line.intent_id, inquiry=inquiry, amount=amount))


def _answer(world: Any, line: DisputeLine, about: str) -> str:
    world.say(f"the shop sends evidence about the dispute of {about}")
    return str(world.bank.answer_dispute(line.dispute_id))


def _decide(world: Any, line: DisputeLine, outcome: str, about: str) -> str:
    world.happens(TOLD[outcome])
    if outcome == "win" and line.status in ("lost", *APPEALS):
        world.happens(REINSTATED)
    world.say(f"at the cardholder's bank, about {about}: {TOLD[outcome]}")
    return str(world.bank.decide(line, outcome))


def reconcile_if_disputed(world: Any) -> None:
    """Reconcile, as every hour does: a dispute of which every webhook was lost is found by nothing else."""
    if world.bank.disputed:
        world.lines.append(f"the hourly reconciliation: {payment_tasks.reconcile_recent()} differences")


def every_bank_decides(world: Any) -> None:
    """Have every dispute that is open come to an end."""
    for line in world.bank.disputes():
        ways: tuple[tuple[str, ...], ...] = ()
        if line.status in CHARGEBACKS:
            ways = (("win",), ("lose",), ("lose", "win"), ("lose", "appeal", "win"))
        elif line.status in INQUIRIES:
            ways = (("close",), ("escalate", "win")) if line.amount <= line.kept else (("close",),)
        for outcome in world.choices.among(ways) if ways else ():
            (standing,) = (each for each in world.bank.disputes() if each.dispute_id == line.dispute_id)
            world.say(f"-> {_decide(world, standing, outcome, 'an order')}")


def wrongly_held() -> Iterator[str]:
    """Find, once every dispute is over, a hold that none is the reason of, and a loss that holds nothing."""
    lost = {
        each.payment_id
        for each in Dispute.objects.select_related("payment")
        if each.status == DisputeStatus.LOST and each.lost_minor
    }
    holding = Hold.objects.filter(released_at=None)
    held = set(holding.values_list("order_id", flat=True))
    released = set(Hold.objects.filter(released_by_staff=True).values_list("order_id", flat=True))
    may_leave = set(Shipment.objects.filter(status__in=MAY_LEAVE).values_list("order_id", flat=True))
    paid_back = set(holding.filter(money_is_back=True).values_list("order_id", flat=True)) & may_leave & _went_back()
    for order_id in held - lost - paid_back:
        yield f"the parcel of order {order_id} is held, and it lost no dispute"
    for order_id in lost - held - released:
        yield f"the parcel of order {order_id} is let go, though its dispute is lost"
    for order_id in holding.filter(for_staff=False).values_list("order_id", flat=True):
        yield f"the parcel of order {order_id} waits for a bank that has decided"


def _went_back() -> set[UUID]:
    """Return the orders whose money went back in full, or had until a bank returned it."""
    returned = Refund.objects.filter(status="FAILED").values_list("payment_id", flat=True)
    gone = F("refunded_minor") + F("refund_reserved_minor") + F("settled_minor")
    whole = Payment.objects.filter(captured_minor__gt=0, captured_minor__lte=gone).values_list("pk", flat=True)
    return {*returned, *whole}


def staff_decide(world: Any) -> None:
    """Have staff release each parcel that a lost dispute holds, or cancel its order."""
    held = Hold.objects.filter(released_at=None).values_list("order_id", flat=True)
    for shipment in Shipment.objects.filter(order_id__in=list(held), status="PENDING").order_by("pk"):
        placed = next(each for each in world.people.orders if each.order_id == shipment.order_id)
        if world.choices.chance(50):
            world.lines.append(f"staff cancel order {placed.number}: {cancel_by_staff(world, placed)}")
        else:
            world.lines.append(f"staff release the parcel of order {placed.number}")
            holds.release_by_staff(shipment_id=shipment.pk)


def staff_make_good(world: Any) -> None:
    """Have staff refund what is owed: what an appeal brought back of an order that has ended, or a refund that failed."""
    for payment in Payment.objects.filter(owed_minor__gt=0).order_by("pk"):
        placed = next(each for each in world.people.orders if each.order_id == payment.order_id)
        world.lines.append(f"staff refund the {payment.owed_minor} that are owed of order {placed.number}")
        world.lines[-1] += f": {refund_by_staff(world, placed, payment.owed_minor)}"
