"""What customers and staff do: place, pay, cancel, refund, and ask the same again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

from payments.models import Payment
from tests.driver.factories import AddressFactory
from tests.proof.simulator.clients import CUSTOMERS, GUEST, Placed, Wish, canary_of
from tests.proof.simulator.codes import QUOTED, draw_codes, note_answer
from tests.proof.simulator.offer import Action, Offer

SKUS = ("MUG", "PEN", "BAG")
GOOD, DECLINED, POOR = "pm_card_visa", "pm_card_chargeDeclined", "pm_card_chargeDeclinedInsufficientFunds"
STOLEN = "pm_card_chargeDeclinedStolenCard"
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
    STOLEN: "a stolen card",
    CHALLENGED_POOR: "a card with 3-D Secure and without funds",
    "pm_card_pendingRefund": "a card whose refunds take their time",
}
METHODS = [
    (40, GOOD),
    (25, CHALLENGED),
    (12, ""),
    (6, DECLINED),
    (4, POOR),
    (2, STOLEN),
    (5, CHALLENGED_POOR),
    (6, "pm_card_pendingRefund"),
]
REFUND_REASON = "a chip in the glaze"
OK = 200
MOST_ORDERS = 4
MOST_WISHES = 14


def wishes(world: Any, known: list[Placed]) -> Iterator[Offer]:
    """Offer what customers and staff may wish."""
    people = world.people
    if len(people.orders) < MOST_ORDERS and any(people.may_ask(who) for who in CUSTOMERS):
        yield (30 if not people.orders else 8), Action(lambda: place(world), asks=("provider",))
        if world.has_codes:
            yield 12, Action(lambda: _ask_for_a_quote(world))
        for quote in world.quotes:
            yield 14, Action(partial(_place_by_quote, world, quote), asks=("provider",))
    for wish in filter(lambda wish: people.may_ask(wish.who), people.wishes):
        yield 2, Action(partial(_ask_again, world, wish), asks=("provider",))
    if len(people.wishes) >= MOST_WISHES:
        return
    for placed in known:
        for who, offer in _wishes_about(world, placed):
            if people.may_ask(who):
                yield offer


def more_time(world: Any, known: list[Placed]) -> Iterator[Offer]:
    """Offer that customers ask for more time to pay."""
    for placed in known if len(world.people.wishes) < MOST_WISHES else ():
        if placed.status == "AWAITING_PAYMENT" and world.people.may_ask(placed.who):
            yield 4, Action(partial(_extend, world, placed))


def _extend(world: Any, placed: Placed) -> str:
    words = f"{placed.who} asks for more time to pay order {placed.number}"
    told = _new(world, placed.who, f"orders/{placed.order_id}/extend-hold", words, placed.number)
    if told.startswith("200"):
        world.happens("more time to pay")
    return told


def rival_wishes(world: Any, wish: Wish) -> list[Offer]:
    """Offer what the others may wish about the same order."""
    about = [placed for placed in world.known()[0] if placed.number == wish.order]
    offers = [found for placed in about for found in _wishes_about(world, placed)]
    return [offer for who, offer in offers if who != wish.who and world.people.may_ask(who)]


def _wishes_about(world: Any, placed: Placed) -> Iterator[tuple[str, Offer]]:
    number, path = placed.number, f"orders/{placed.order_id}"
    if placed.status in ("PENDING", "AWAITING_PAYMENT"):
        weight = 25 if _is_declined(placed) else 5
        yield placed.who, (weight, Action(lambda: _pay(world, placed), asks=("provider",)))
    if placed.status in ("PENDING", "AWAITING_PAYMENT", "CONFIRMING", "CONFIRMED", "REFUNDING", "SHIPPED"):
        for who, weight in ((placed.who, 5), ("staff", 4)):
            words = f"{who} cancels order {number}"

            def cancel(who: str = who, words: str = words) -> str:
                return _new(world, who, f"{path}/cancel", words, number)

            yield who, (weight, Action(cancel, asks=("carrier", "provider")))
    if placed.status in ("CONFIRMING", "CONFIRMED", "SHIPPED", "DELIVERED", "REFUNDING"):
        yield "staff", (6, Action(lambda: _refund(world, placed), asks=("provider",)))


def place(world: Any, card: str | None = None) -> str:
    """Have a customer place an order, with this card or any; say what the answer is."""
    choices, people = world.choices, world.people
    who = choices.among((*CUSTOMERS, GUEST) if world.has_codes else CUSTOMERS)
    if not people.may_ask(who):
        who = next(other for other in CUSTOMERS if other != who)
    lines = _draw_lines(world)
    codes = draw_codes(world)
    card = choices.weighted(METHODS) if card is None else card
    what = _in_words(lines) + (f" by {codes[0]}" if codes else "")
    basket: dict[str, Any] = {"lines": lines} | ({"codes": codes} if codes else {})
    return _place(world, who, what=what, card=card, named=codes, basket=basket)


def _draw_lines(world: Any) -> list[dict[str, Any]]:
    choices = world.choices
    skus = [choices.among(SKUS)]
    if choices.chance(30):
        skus.append(next(sku for sku in SKUS if sku not in skus))
    return [{"sku": sku, "quantity": 1 + choices.draw(2)} for sku in skus]


def _in_words(lines: list[dict[str, Any]]) -> str:
    return " and ".join(f"{line['quantity']} {line['sku']}" for line in lines)


def _place(
    world: Any,
    who: str,
    *,
    what: str,
    card: str,
    named: tuple[str, ...],
    basket: dict[str, Any],
    total: int | None = None,
) -> str:
    """Have somebody place an order of this basket; say what the answer is."""
    number = len(world.people.orders) + 1
    world.people.orders.append(Placed(number, who, f"place-{number}"))
    body = (
        {"shipping_address": AddressFactory(name=canary_of(who))} | basket | ({"payment_method": card} if card else {})
    )
    words = f"{who} places order {number}: {what} with {CARDS[card]}"
    headers = {"Prefer": "respond-async"} if world.choices.chance(15) else {}
    wish = Wish(
        who, "orders", f"place-{number}", body, words, number, is_placing=True, headers=headers, codes=named, total=total
    )  # fmt: skip
    return _ask(world, wish)


def _ask_for_a_quote(world: Any) -> str:
    """Have somebody ask what a basket costs, and keep the quote."""
    who, lines, codes = world.choices.among((*CUSTOMERS, GUEST)), _draw_lines(world), draw_codes(world)
    world.say(f"{who} asks what {_in_words(lines)} cost{f' by {codes[0]}' if codes else ''}")
    body = {"lines": lines, "destination": {"country": "PT"}, "codes": codes}
    answer = world.people.post(who, "quotes", body, {})
    if answer.status == OK:
        quoted = tuple(code for code in codes if code not in [each["code"] for each in answer.body["refused_codes"]])
        world.quotes.append((who, quoted, answer.body))
    return str(answer)


def _place_by_quote(world: Any, quote: tuple[str, tuple[str, ...], dict[str, Any]]) -> str:
    """Have whoever asked for a quote order by it, once."""
    who, codes, told = quote
    world.quotes.remove(quote)
    world.happens(QUOTED)
    card = world.choices.weighted(METHODS)
    what = f"what was quoted at {told['total']['amount_minor']}"
    total = told["total"]["amount_minor"]
    return _place(world, who, what=what, card=card, named=codes, total=total, basket={"quote": told["id"]})


def _pay(world: Any, placed: Placed) -> str:
    card = world.choices.among((GOOD, CHALLENGED, DECLINED, ""))
    words = (
        f"{placed.who} pays order {placed.number} with {CARDS[card]}"
        if card
        else f"{placed.who} goes on with order {placed.number}"
    )
    if card:
        _note_another(world, placed, card)
    body = {"payment_method": card} if card else {}
    return _new(world, placed.who, f"orders/{placed.order_id}/payment", words, placed.number, **body)


def _is_declined(placed: Placed) -> bool:
    """Return whether the order waits for another card: its customer is at the page."""
    return Payment.objects.filter(pk=placed.order_id, status="DECLINED").exists()


def _note_another(world: Any, placed: Placed, card: str) -> None:
    """Note where a customer brings another card, after a decline or in place of one that waits for them."""
    tried = Payment.objects.filter(pk=placed.order_id).exclude(payment_method=card).values_list("status", flat=True)
    for status in tried:
        if status == "DECLINED":
            world.happens("another card after a decline")
        elif status == "REQUIRES_ACTION":
            world.happens("another card in place of one that waits")


def cancel_by_staff(world: Any, placed: Placed) -> str:
    """Have staff cancel an order; say what the answer is."""
    return _new(
        world, "staff", f"orders/{placed.order_id}/cancel", f"staff cancels order {placed.number}", placed.number
    )


def _refund(world: Any, placed: Placed) -> str:
    return refund_by_staff(world, placed, world.choices.among((400, 700, 1250)))


def refund_by_staff(world: Any, placed: Placed, amount: int) -> str:
    """Have staff refund so much of an order; say what the answer is."""
    words = f"staff refund {amount} of order {placed.number}"
    body = {"amount": {"amount_minor": amount, "currency": "EUR"}, "reason": REFUND_REASON}
    return _new(world, "staff", f"orders/{placed.order_id}/refunds", words, placed.number, **body)


def _new(world: Any, who: str, path: str, words: str, order: int, **body: Any) -> str:
    return _ask(world, Wish(who, path, f"wish-{len(world.people.wishes) + 1}", body, words, order))


def _ask(world: Any, wish: Wish) -> str:
    world.people.note(wish)
    world.say(wish.words)
    return _answer_to(world, wish)


def _answer_to(world: Any, wish: Wish) -> str:
    """Have a wish answered; note where it meets one of somebody else about the same order."""
    if any(other.order == wish.order and other.who != wish.who for other in world.asking):
        world.happens("customer and staff at once")
    world.asking.append(wish)
    try:
        answer = world.people.ask(wish)
        if world.has_codes and wish.is_placing:
            note_answer(world, wish, answer)
        return str(answer)
    finally:
        world.asking.pop()


def _ask_again(world: Any, wish: Wish) -> str:
    other = wish.path.endswith("/refunds") or wish.is_placing
    if other and world.choices.chance(20):
        world.happens("same key, other body")
        body = json.loads(json.dumps(wish.body))
        if "quote" in body:
            body["note"] = "by the same quote"
        elif wish.is_placing:
            body["lines"][0]["quantity"] += 1
        else:
            body["amount"]["amount_minor"] += 1
        wish = Wish(
            wish.who, wish.path, wish.key, body, f"{wish.words}, again with another body", wish.order, wish.is_placing,
            codes=wish.codes, total=wish.total,
        )  # fmt: skip
        return _ask(world, wish)
    world.happens("same request again")
    world.say(f"again: {wish.words}")
    return _answer_to(world, wish)
