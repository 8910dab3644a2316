"""Discount codes, quotes, and a guest whose mailbox an account verifies: what only some histories begin with, and must hold then.

The judge does not ask the product's audit here: it counts the uses itself, and computes what an order must cost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from allauth.account.models import EmailAddress

from inventory import api as inventory
from orders.models import CodeUse, DiscountCode, Order, OrderLine
from shop.money import Money
from shop.personal.guests import take_guests_along
from tests.proof.simulator.clients import CUSTOMERS, GUEST, Answer, Placed, Wish, email_of
from tests.proof.simulator.offer import Action, Offer

OWNER = CUSTOMERS[0]
PRICES = (1250, 1300)
CHANGED = "a quote that is over, or whose price has changed"
LAST_USE = "a discount code's last use is wanted again"
FREE = "an order that costs nothing"
QUOTED = "an order by a quote"
TAKEN = "a guest's orders are taken along"
KINDS_OF_CODES = (CHANGED, LAST_USE, FREE, QUOTED, TAKEN)
WANTED = [(14, ()), (56, ("LAST",)), (18, ("ONCE",)), (12, ("GIFT",))]
# How an order stands whose uses of codes are given back, and whose are used.
RETURNED, USED = ("CANCELED", "REFUNDED"), ("CONFIRMED", "SHIPPED", "DELIVERED", "REFUNDING")
CREATED = 201


def make_codes(world: Any) -> None:
    """Give the shop three codes: one that is good once, one that is good once for each customer, and one that takes all off."""
    world.has_codes = True
    DiscountCode.objects.create(code="LAST", label="10 % off, once", percent=10, max_uses=1)
    DiscountCode.objects.create(
        code="ONCE", label="5 euros off", amount_minor=500, currency="EUR", once_per_customer=True
    )
    DiscountCode.objects.create(code="GIFT", label="a gift", percent=100, max_uses=1)
    # The trigger that moves uses with their orders writes, too, and nobody sees its statements.
    world.points.written |= {"orders_discountcode", "orders_codeuse"}
    world.lines.append("there are the codes LAST and GIFT, good once, and ONCE, good once for each customer")


def draw_codes(world: Any) -> tuple[str, ...]:
    """Choose which codes an order names."""
    if not world.has_codes:
        return ()
    codes: tuple[str, ...] = world.choices.weighted(WANTED)
    return codes


def bargains(world: Any, known: list[Placed]) -> Iterator[Offer]:
    """Offer to change a price, and to verify the mailbox of the guest once it has an order."""
    if not world.has_codes:
        return
    if world.quotes:
        yield 14, Action(lambda: _change_price(world), disturbed=False)
    if any(placed.who == GUEST for placed in known):
        yield 5, Action(lambda: take_along(world))


def _change_price(world: Any) -> str:
    now = inventory.get_offers(skus=["MUG"])["MUG"].price.minor
    price = next(other for other in PRICES if other != now)
    world.say(f"the price of a MUG is {price} from now on")
    inventory.change_product(sku="MUG", name="The mug", price=Money(price, "EUR"), active=True)
    return ""


def take_along(world: Any) -> str:
    """Have the account verify the guest's mailbox, or sign in again; say how many guests' orders it takes along."""
    world.happens(TAKEN)
    world.say(f"{OWNER} has verified the guest's mailbox")
    owner = world.people.id_of(OWNER)
    if not EmailAddress.objects.filter(user_id=owner).exists():
        EmailAddress.objects.create(user_id=owner, email=email_of(GUEST), verified=True, primary=True)
    world.people.verified = True
    return f"{take_guests_along(user_id=owner)} guests"


def note_answer(world: Any, wish: Wish, answer: Answer) -> None:
    """Note what came of an order with a code or a quote; a quote that no longer holds is answered with a new one."""
    facts = answer.body.get("facts", {})
    if wish.codes and facts.get("reason") in ("used_up", "used_before"):
        world.happens(LAST_USE)
    if answer.body.get("code") == "total_changed":
        world.happens(CHANGED)
        world.quotes.append((wish.who, wish.codes, facts["quote"]))
    if answer.status == CREATED and not answer.body.get("total", {"amount_minor": 1})["amount_minor"]:
        world.happens(FREE)


# --- the judge --------------------------------------------------------------------------------------------------------
def wrong_uses(name_of: Any) -> Iterator[str]:
    """Find, at any instant, a code that is used too often or counted wrong, and a use that does not stand as its order does."""
    counted, once = Counter[tuple[int, str]](), Counter[tuple[int, Any]]()
    rows = CodeUse.objects.values_list("code_id", "status", "once", "customer_id", "order_id", "order__status")
    for code_id, status, is_once, customer_id, order_id, order_status in rows:
        counted[code_id, status] += 1
        once[code_id, customer_id] += is_once and status != "RETURNED"
        expected = "RETURNED" if order_status in RETURNED else "USED" if order_status in USED else "HELD"
        if status != expected:
            yield f"I13 {name_of(order_id)} is {order_status}, and its use of a code is {status}"
    for code in DiscountCode.objects.all():
        held, used = counted[code.pk, "HELD"], counted[code.pk, "USED"]
        if (code.held, code.used) != (held, used):
            yield f"I13 {code.code} counts {code.held} held and {code.used} used; its uses are {held} and {used}"
        if code.max_uses is not None and held + used > code.max_uses:
            yield f"I13 {code.code} is used {held + used} times, of {code.max_uses}"
    yield from (f"I13 a customer uses a code {times} times" for times in once.values() if times > 1)


def wrong_prices(world: Any) -> Iterator[str]:
    """Find, at rest, an order that does not cost what its codes leave, or not what was quoted."""
    for wish in world.people.wishes:
        order = next(filter(None, (_order_in(answer) for answer in wish.answers)), None) if wish.is_placing else None
        if order is None:
            continue
        uses = sorted(CodeUse.objects.filter(order=order).values_list("code__code", flat=True))
        goods = sum(line.quantity * line.unit_price_minor for line in OrderLine.objects.filter(order=order))
        name, costs = world.name_of(order.pk), goods - _off(wish.codes, goods)
        if uses != sorted(wish.codes):
            yield f"I13 {name} names the codes {wish.codes} and uses {uses}"
        if order.total_minor != costs:
            yield f"I12 {name} costs {order.total_minor}, and its goods cost {goods} and {costs} with {wish.codes}"
        if wish.total is not None and order.total_minor != wish.total:
            yield f"I12 {name} costs {order.total_minor}, and {wish.total} was quoted"
        if wish.total is None and "quote" in wish.body:
            yield f"I12 {name} was ordered by a quote that nobody gave"


def left_with_the_guest(world: Any) -> Iterator[str]:
    """Find, at rest, an order that was not taken along although the guest's mailbox is an account's."""
    if world.people.verified:
        left = Order.objects.filter(customer_id=world.people.id_of(GUEST)).values_list("pk", flat=True)
        yield from (f"I10 {world.name_of(order_id)} is left with the guest" for order_id in left)


def _order_in(answer: Answer) -> Order | None:
    body = answer.body if isinstance(answer.body, dict) else {}
    order_id = body.get("id") or body.get("facts", {}).get("order_id")
    return Order.objects.filter(pk=order_id).first() if order_id else None


def _off(codes: tuple[str, ...], goods: int) -> int:
    match codes:
        case ("LAST",):
            return int((Decimal(goods) / 10).quantize(Decimal(1), ROUND_HALF_UP))
        case ("ONCE",):
            return min(500, goods)
        case ("GIFT",):
            return goods
    return 0
