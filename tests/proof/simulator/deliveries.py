"""What travels: messages of the bus and webhooks of the provider, delivered in any order, again, or never."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from payments.gateways import InvalidWebhook
from payments.services import receive_webhook
from shop.events import inbox
from tests.proof.simulator.offer import Action, Offer
from tests.proof.simulator.signing import signed

LONG_AGO_SECONDS = 60.0


def messages(world: Any) -> Iterator[Offer]:
    """Offer to deliver what the broker holds."""
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


def webhooks(world: Any) -> Iterator[Offer]:
    """Offer to deliver what the provider would tell, or to lose it."""
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
