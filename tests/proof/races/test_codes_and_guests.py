"""Who wants a code's last use meets whoever holds it, and whoever takes a guest's orders along meets everybody else.

There are two orders, or two customers: so these cells have a judge of their own beside the matrix.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from orders.models import CodeUse, DiscountCode, Order
from orders.services.take_along import take_along
from shop.accounts.guests import admit_guest
from tests.driver.factories import OrderBodyFactory, UserFactory
from tests.driver.orders import pass_deadline
from tests.driver.shopper import Shopper
from tests.proof.crashes.enumeration import settle, violations_at_rest
from tests.proof.heard import unheard
from tests.proof.races import stage as scenes
from tests.proof.races.actors import asks
from tests.proof.races.judge import KEPT, UNDONE
from tests.proof.races.matrix import BY_NAME
from tests.proof.races.overlap import Call, Met, Pair
from tests.proof.races.stage import Scene, Stage, Told
from tests.proof.report import SEED, Record, drawn, sized

RIVAL, ALONG = "the code's last use", "taking along"
POINTS = sized(slice=1, short=1, full=1_000)


@dataclass(frozen=True)
class Cell:
    """One actor held at its points while another acts, over an order as `scene` leaves it; `before` says whose it is."""

    before: Callable[[Stage], None]
    scene: Scene
    first: str
    second: str

    def __str__(self) -> str:
        return f"{self.before.__name__}, {self.scene.__name__}: {self.first} x {self.second}"


def with_the_last_use(stage: Stage) -> None:
    """A code is good once, and the order has it."""
    DiscountCode.objects.create(code="LAST", label="10 % off", percent=10, max_uses=1)
    stage.shopper = _Naming(UserFactory(), codes=["LAST"])


def of_a_guest(stage: Stage) -> None:
    """The customer has no account."""
    guest = admit_guest(email="ada@shop.example")
    stage.shopper = Shopper()
    stage.shopper.user, stage.shopper.headers = guest.user, {"Authorization": f"Bearer {guest.token}"}


class _Naming(Shopper):
    """A customer whose orders name codes."""

    def __init__(self, user: Any, *, codes: list[str]) -> None:
        super().__init__(user)
        self._codes = codes

    def post(self, path: str, body: Any = None, *, key: str = "", **headers: str) -> Any:
        body = body | {"codes": self._codes} if path == "orders" else body
        return super().post(path, body, key=key, **headers)


CELLS = (
    Cell(with_the_last_use, scenes.unpaid, "expiry", RIVAL),
    Cell(with_the_last_use, scenes.late_success, "webhook", RIVAL),
    Cell(of_a_guest, scenes.unpaid, ALONG, "complete"),
    Cell(with_the_last_use, scenes.unpaid, "cancel by customer", RIVAL),
    Cell(with_the_last_use, scenes.declined, "complete", RIVAL),
    Cell(with_the_last_use, scenes.declined, RIVAL, "expiry"),
    Cell(with_the_last_use, scenes.late_success, RIVAL, "cancel by customer"),
    Cell(of_a_guest, scenes.unpaid, ALONG, "expiry"),
    Cell(of_a_guest, scenes.declined, "complete", ALONG),
    Cell(of_a_guest, scenes.late_success, "webhook", ALONG),
    Cell(of_a_guest, scenes.unpaid, "cancel by customer", ALONG),
)


def call_of(name: str, stage: Stage, scene: Scene, account: uuid.UUID) -> Call:
    """Return what an actor does: those of the matrix, and the two that are only here."""
    if name == RIVAL:
        rival = Shopper(UserFactory())
        return asks(lambda key: rival.post("orders", OrderBodyFactory(codes=["LAST"]), key=key))
    if name == ALONG:
        guest_id = stage.shopper_id
        return Call(lambda _world: take_along(guest_id=guest_id, customer_id=account))
    return BY_NAME[name].make(stage, scene)


def begin(stage: Stage, cell: Cell) -> uuid.UUID:
    """Bring the order to the scene; return the account that has the guest's mailbox."""

    def scene(stage: Stage) -> None:
        cell.before(stage)
        cell.scene(stage)

    stage.begin(scene)
    return uuid.UUID(str(UserFactory().pk))


def wrongs(stage: Stage, cell: Cell, met: Met, account: uuid.UUID) -> Iterator[str]:
    """Let everything come to rest, and say what is not as it must be."""
    for name, outcome in ((cell.first, met.first), (cell.second, met.second)):
        if isinstance(outcome, Exception):
            yield f"{name} failed: {outcome!r}"
        elif isinstance(outcome, Told) and outcome.answer.status_code >= 500:
            yield f"{name} was answered {outcome.answer.status_code} {outcome.answer.content[:300].decode()}"
    settle()
    for order_id in Order.objects.filter(status="AWAITING_PAYMENT").values_list("pk", flat=True):
        pass_deadline(order_id)
    settle()
    yield from violations_at_rest()
    yield from unheard()
    for order in Order.objects.all():
        kept = order.total_minor if order.status in KEPT else 0
        if order.status not in KEPT | UNDONE or stage.sandbox.money(order.pk)[1] != kept:
            yield f"an order of {order.total_minor} is {order.status}, and {stage.sandbox.money(order.pk)[1]} are kept"
    if cell.before is of_a_guest:
        yield from _not_taken_along(stage, account)
    else:
        yield from _wrong_uses({cell.first: met.first, cell.second: met.second}[RIVAL])


def _not_taken_along(stage: Stage, account: uuid.UUID) -> Iterator[str]:
    owners = list(Order.objects.values_list("customer_id", "guest_id"))
    if owners != [(account, stage.shopper_id)]:
        yield f"the order is of {owners}, and not of the account"
    if (answer := stage.shopper.get(f"orders/{stage.order_id}")).status_code != 200:
        yield f"the guest is answered {answer.status_code} and does not see its order"


def _wrong_uses(rival: Any) -> Iterator[str]:
    code = DiscountCode.objects.get(code="LAST")
    open_ = list(CodeUse.objects.exclude(status="RETURNED").values_list("order__status", "status"))
    if (code.held, code.used) != (0, len(open_)) or len(open_) > 1:
        yield f"the code counts {code.held} held and {code.used} used, by {open_}"
    if any(order not in KEPT for order, _status in open_):
        yield f"an order that is undone has the code: {open_}"
    body = rival.answer.json()
    refused = (rival.answer.status_code, body.get("facts", {}).get("reason")) == (409, "used_up")
    if rival.answer.status_code != 201 and not refused:
        yield f"who wanted the last use was answered {rival.answer.status_code} {body}"
    if rival.answer.status_code == 201 and Order.objects.get(pk=body["id"]).status not in KEPT:
        yield "who got the last use has lost it"


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "cell", sized(slice=CELLS[:2], short=drawn(CELLS, one_in=2, of="codes and guests"), full=CELLS), ids=str
)
def test_two_meet_over_a_code_or_a_guest(cell: Cell, stage: Stage, pair: Pair, proof: Record):
    account = begin(stage, cell)
    points = pair.alone(call_of(cell.first, stage, cell.scene, account)).points
    chance = random.Random(f"{SEED} {cell}")
    chosen = sorted(chance.sample(range(len(points)), min(POINTS, len(points))))

    found: list[str] = []
    for at in chosen:
        account = begin(stage, cell)
        first, second = (call_of(name, stage, cell.scene, account) for name in (cell.first, cell.second))
        met = pair.overlap(first, second, at=at)
        found += [f"{cell}, at point {at}, {points[at]}: {wrong}" for wrong in wrongs(stage, cell, met, account)]

    proof("race: a code's last use, and a guest's orders", histories=len(chosen), violations=found)
    assert found == []
    assert chosen
