"""What can happen next: each action with its weight; what is not possible now is not offered."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orders.models import Order
from payments import tasks as payment_tasks
from payments.gateways import InvalidWebhook
from payments.services import receive_webhook
from shop.background import Sweep, sweeps
from shop.events import inbox
from tests.chaos.simulator.clients import Placed, Wish
from tests.chaos.simulator.due import moments_due
from tests.chaos.simulator.signing import signed
from tests.factories import OrderBodyFactory

SKUS = ("MUG", "PEN", "BAG")
GOOD, DECLINED, POOR = "pm_card_visa", "pm_card_chargeDeclined", "pm_card_chargeDeclinedInsufficientFunds"
CHALLENGED, CHALLENGED_POOR = (
    "pm_card_authenticationRequired",
    "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds",
)
CARDS = {
    GOOD: "a good card",
    CHALLENGED: "a card with 3-D Secure",
    "": "no card yet",
    DECLINED: "a declined card",
    POOR: "a card without funds",
    CHALLENGED_POOR: "a card with 3-D Secure and without funds",
    "pm_card_pendingRefund": "a card whose refunds take their time",
}
METHODS = [
    (40, GOOD),
    (25, CHALLENGED),
    (12, ""),
    (6, DECLINED),
    (6, POOR),
    (5, CHALLENGED_POOR),
    (6, "pm_card_pendingRefund"),
]
REFUND_REASON = "a chip in the glaze"
MOST_ORDERS = 4
MOST_WISHES = 14
# What looks back over everything, tidies up, or needs a broker, is no part of an order's way.
ASIDE = frozenset(
    {"shop.prune_events", "shop.prune_idempotency_keys", "shop.collect_dead_letters", "payments.reconcile_recent"}
)
LONG_AGO_SECONDS = 60.0


@dataclass(frozen=True)
class Action:
    """Something that can happen now. `disturbed`: code of the product runs, which can be disturbed."""

    act: Callable[[], str]
    disturbed: bool = True


Offer = tuple[int, Action]


def order_sweeps() -> list[Sweep]:
    """Return the sweeps of an order's way, by name."""
    return sorted((sweep for sweep in sweeps() if sweep.name not in ASIDE), key=lambda sweep: sweep.name)


def offers(world: Any) -> list[Offer]:
    """Return everything that can happen now."""
    known, moments = world.people.look_up(), moments_due()
    return [
        *_wishes(world, known),
        *_bus(world),
        *_webhooks(world),
        *_at_the_bank(world, known),
        *_work(world, moments),
        *_time(world, known, moments),
    ]


# --- customers and staff ------------------------------------------------------------------------------------------------
def _wishes(world: Any, known: list[Placed]) -> Iterator[Offer]:
    people = world.people
    if len(people.orders) < MOST_ORDERS:
        yield (30 if not people.orders else 8), Action(lambda: _place(world))
    for wish in people.wishes:
        yield 2, Action(lambda wish=wish: _ask_again(world, wish))
    if len(people.wishes) >= MOST_WISHES:
        return
    for placed in known:
        yield from _wishes_about(world, placed)


def _wishes_about(world: Any, placed: Placed) -> Iterator[Offer]:
    number, path = placed.number, f"orders/{placed.order_id}"
    if placed.status in ("PENDING", "AWAITING_PAYMENT"):
        yield 5, Action(lambda: _pay(world, placed))
    if placed.status in ("PENDING", "AWAITING_PAYMENT", "CONFIRMING", "CONFIRMED", "REFUNDING", "SHIPPED"):
        for who, weight in ((placed.who, 5), ("staff", 4)):
            words = f"{who} cancels order {number}"
            yield weight, Action(lambda who=who, words=words: _new(world, who, f"{path}/cancel", words, number))
    if placed.status in ("CONFIRMING", "CONFIRMED", "SHIPPED", "DELIVERED", "REFUNDING"):
        yield 6, Action(lambda: _refund(world, placed))


def _place(world: Any) -> str:
    choices, people = world.choices, world.people
    who = choices.among(("customer 1", "customer 2"))
    skus = [choices.among(SKUS)]
    if choices.chance(30):
        skus.append(next(sku for sku in SKUS if sku not in skus))
    lines = [{"sku": sku, "quantity": 1 + choices.draw(2)} for sku in skus]
    card = choices.weighted(METHODS)
    number = len(people.orders) + 1
    people.orders.append(Placed(number, who, f"place-{number}"))
    body = dict(OrderBodyFactory(lines=lines, payment_method=card))
    if not card:
        del body["payment_method"]
    what = " and ".join(f"{line['quantity']} {line['sku']}" for line in lines)
    words = f"{who} places order {number}: {what} with {CARDS[card]}"
    headers = {"Prefer": "respond-async"} if choices.chance(15) else {}
    wish = Wish(who, "orders", f"place-{number}", body, words, number, is_placing=True, headers=headers)
    return _ask(world, wish)


def _pay(world: Any, placed: Placed) -> str:
    card = world.choices.among((GOOD, CHALLENGED, DECLINED, ""))
    words = (
        f"{placed.who} pays order {placed.number} with {CARDS[card]}"
        if card
        else f"{placed.who} goes on with order {placed.number}"
    )
    body = {"payment_method": card} if card else {}
    return _new(world, placed.who, f"orders/{placed.order_id}/payment", words, placed.number, **body)


def _refund(world: Any, placed: Placed) -> str:
    amount = world.choices.among((400, 700, 1250))
    words = f"staff refund {amount} of order {placed.number}"
    body = {"amount": {"amount_minor": amount, "currency": "EUR"}, "reason": REFUND_REASON}
    return _new(world, "staff", f"orders/{placed.order_id}/refunds", words, placed.number, **body)


def _new(world: Any, who: str, path: str, words: str, order: int, **body: Any) -> str:
    return _ask(world, Wish(who, path, f"wish-{len(world.people.wishes) + 1}", body, words, order))


def _ask(world: Any, wish: Wish) -> str:
    world.people.wishes.append(wish)
    world.say(wish.words)
    return _answer_to(world, wish)


def _answer_to(world: Any, wish: Wish) -> str:
    """Have a wish answered; note where it meets one of somebody else about the same order."""
    if any(other.order == wish.order and other.who != wish.who for other in world.asking):
        world.happens("customer and staff at once")
    world.asking.append(wish)
    try:
        return str(world.people.ask(wish))
    finally:
        world.asking.pop()


def _ask_again(world: Any, wish: Wish) -> str:
    other = wish.path.endswith("/refunds") or wish.is_placing
    if other and world.choices.chance(20):
        world.happens("same key, other body")
        body = json.loads(json.dumps(wish.body))
        if wish.is_placing:
            body["lines"][0]["quantity"] += 1
        else:
            body["amount"]["amount_minor"] += 1
        wish = Wish(
            wish.who, wish.path, wish.key, body, f"{wish.words}, again with another body", wish.order, wish.is_placing
        )
        return _ask(world, wish)
    world.happens("same request again")
    world.say(f"again: {wish.words}")
    return _answer_to(world, wish)


# --- the bus ------------------------------------------------------------------------------------------------------------
def _bus(world: Any) -> Iterator[Offer]:
    if world.held:
        yield 22, Action(lambda: _deliver(world))


def _deliver(world: Any) -> str:
    choices = world.choices
    number = 0 if choices.draw(2) == 0 else choices.draw(len(world.held))
    message = world.held[number]
    event = f"{message.attributes['type']} of {world.order_words(message.attributes)}"
    world.say(f"message {message.number} is delivered: {event} to {message.subscriber}")
    if any(other.subscriber == message.subscriber for other in world.held[:number]):
        world.happens("message reordered")
    if world.clock.monotonic() - message.sent_at > LONG_AGO_SECONDS:
        world.happens("message delayed")
    if message.handled:
        world.happens("message duplicated")
    message.handled += 1
    outcome = inbox.deliver(subscriber=message.subscriber, attributes=message.attributes)
    keeps = choices.chance(20)
    if not keeps and message in world.held:
        world.held.remove(message)
    return f"{str(outcome).lower() if outcome else 'nothing new'}{', and stays in the queue' if keeps else ''}"


# --- webhooks -----------------------------------------------------------------------------------------------------------
def _webhooks(world: Any) -> Iterator[Offer]:
    world.bank.collect_notices()
    if world.bank.notices:
        yield 10, Action(lambda: _webhook(world))
        yield 2, Action(lambda: _lose_webhook(world), disturbed=False)


def _webhook(world: Any) -> str:
    choices, notices = world.choices, world.bank.notices
    number = 0 if choices.draw(2) == 0 else choices.draw(len(notices))
    notice = notices[number]
    world.say(f"webhook {notice['type']} of {world.order_words(notice)} arrives")
    if number:
        world.happens("webhook reordered")
    if world.clock.moment.timestamp() - notice["created"] > LONG_AGO_SECONDS:
        world.happens("webhook late")
    if notice.get("sent"):
        world.happens("webhook duplicated")
    notice["sent"] = True
    try:
        kept = receive_webhook(**signed({name: value for name, value in notice.items() if name != "sent"}))
    except InvalidWebhook as refusal:
        world.violated(f"a webhook of the provider's was refused: {refusal}")
        return "refused"
    if not choices.chance(20) and notice in world.bank.notices:
        world.bank.notices.remove(notice)
    return "kept" if kept else "not kept"


def deliver_or_lose_webhook(world: Any) -> None:
    """Have one of the webhooks that wait arrive, or be lost."""
    if world.choices.chance(30):
        _lose_webhook(world)
    else:
        world.say(f"-> {_webhook(world)}")


def _lose_webhook(world: Any) -> str:
    notice = world.bank.notices.pop(world.choices.draw(len(world.bank.notices)))
    world.happens("webhook lost")
    world.say(f"webhook {notice['type']} of {world.order_words(notice)} is lost for good")
    return ""


# --- the provider -------------------------------------------------------------------------------------------------------
def _at_the_bank(world: Any, known: list[Placed]) -> Iterator[Offer]:
    bank, number_of = world.bank, {str(placed.order_id): placed.number for placed in known}
    for number in range(len(bank.late)):
        yield 6, Action(lambda number=number: _arrive(world, number), disturbed=False)
    for line in bank.lines():
        about = f"order {number_of.get(line.order_id, '?')}"
        if line.status == "requires_action":
            yield (
                10,
                Action(lambda line=line, about=about: _authenticate(world, line.intent_id, about), disturbed=False),
            )
        if line.status == "requires_capture":
            yield 2, Action(lambda line=line, about=about: _expire(world, line.intent_id, about), disturbed=False)
        if line.status == "requires_payment_method":
            yield 3, Action(lambda line=line, about=about: _confirm(world, line.intent_id, about), disturbed=False)


def _arrive(world: Any, number: int) -> str:
    arrived = world.bank.let_late_request_arrive(number)
    world.happens("provider: late request arrives")
    world.say(f"a late request reaches the provider: {arrived}")
    return ""


def _authenticate(world: Any, intent_id: str, about: str) -> str:
    approved = not world.choices.chance(25)
    world.happens("3-D Secure answered" if approved else "3-D Secure declined")
    world.say(f"the customer {'passes' if approved else 'fails'} 3-D Secure for {about}")
    return str(world.bank.authenticate(intent_id, approved=approved))


def _expire(world: Any, intent_id: str, about: str) -> str:
    world.happens("authorization expires at the provider")
    world.say(f"the provider lets the authorization of {about} expire")
    return str(world.bank.expire(intent_id))


def _confirm(world: Any, intent_id: str, about: str) -> str:
    card = world.choices.among((GOOD, CHALLENGED))
    world.happens("confirmed again with the client_secret")
    world.say(f"the customer confirms {about} at the provider again, with {CARDS[card]}")
    return str(world.bank.confirm_again(intent_id, card))


# --- workers ------------------------------------------------------------------------------------------------------------
def _work(world: Any, moments: list[tuple[str, datetime]]) -> Iterator[Offer]:
    ready = {context for context, moment in moments if moment <= world.clock.moment}
    relays = any(context.endswith("outbox") for context in ready)
    for sweep in order_sweeps():
        has_work = relays if sweep.name == "shop.relay_outbox" else sweep.context in ready
        weight = {"shop.relay_outbox": 20, "orders.resume_sagas": 14}.get(sweep.name, 6) if has_work else 0
        if weight:
            yield weight, Action(lambda sweep=sweep: run_sweep(world, sweep))
    yield 1, Action(lambda: run_sweep(world, world.choices.among(order_sweeps())))
    yield 2, Action(lambda: _reconcile(world))


def run_sweep(world: Any, sweep: Sweep) -> str:
    """Run one sweep."""
    world.say(f"sweep {sweep.name}")
    return f"{sweep.run()} done"


def _reconcile(world: Any) -> str:
    world.say("the payments are reconciled")
    world.happens("reconciliation in between")
    return f"{payment_tasks.reconcile_recent()} differences"


# --- time ---------------------------------------------------------------------------------------------------------------
STEPS = {1.0: 6, 5.0: 6, 21.0: 6, 31.0: 6, 61.0: 6, 125.0: 4, 1000.0: 1, 90_000.0: 1}


def _time(world: Any, known: list[Placed], moments: list[tuple[str, datetime]]) -> Iterator[Offer]:
    yield 6, Action(lambda: _wait(world), disturbed=False)
    later = [moment for _context, moment in moments if moment > world.clock.moment]
    if later:
        yield 12, Action(lambda: _wait_until_due(world, min(later)), disturbed=False)
    for placed in known:
        if placed.status in ("PENDING", "AWAITING_PAYMENT"):
            yield 3, Action(lambda placed=placed: _wait_for_deadline(world, placed), disturbed=False)


def _wait_until_due(world: Any, moment: datetime) -> str:
    seconds = (moment - world.clock.moment).total_seconds() + 0.001
    world.say(f"{seconds:.1f} seconds pass, until the next work is due")
    world.clock.advance(seconds)
    return ""


def _wait(world: Any) -> str:
    seconds = world.choices.weighted([(weight, step) for step, weight in STEPS.items()])
    world.clock.advance(seconds)
    world.say(f"{seconds:g} seconds pass")
    return ""


def _wait_for_deadline(world: Any, placed: Placed) -> str:
    deadline = Order.objects.values_list("pay_before", flat=True).get(pk=placed.order_id)
    where, seconds = world.choices.among((("just before", -0.5), ("to", 0.0), ("just past", 0.5)))
    ahead = (deadline - world.clock.moment).total_seconds() + seconds
    if ahead <= 0:
        return ""
    world.happens(f"clock {where} a payment deadline")
    world.say(f"time passes {where} the payment deadline of order {placed.number}")
    world.clock.advance(ahead)
    return ""
