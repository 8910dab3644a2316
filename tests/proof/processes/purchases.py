"""What a client wants, and its log of what it was told: the checker believes the log, and holds the shop to it."""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

GOOD: Final = "pm_card_visa"
DECLINED: Final = "pm_card_chargeDeclinedStolenCard"
CHALLENGED: Final = "pm_card_authenticationRequired"
BEING_CONFIRMED: Final = "order_being_confirmed"


@dataclass(frozen=True)
class Answer:
    """What a client was told by one answer; without a status it was told nothing, and what happened is open."""

    asked: str
    status: int | None
    order_id: str = ""
    order_status: str = ""
    code: str = ""

    @property
    def is_final(self) -> bool:
        """Say whether asking again could not change it: no answer, 429 and 5xx are asked again."""
        return self.status is not None and self.status < 500 and self.status != 429 and self.code != BEING_CONFIRMED


def read_answer(asked: str, status: int, body: Any) -> Answer:
    """Read an order or a problem that may name one."""
    body = body if isinstance(body, dict) else {}
    facts = body.get("facts") or {}
    if "code" in body:
        return Answer(asked, status, str(facts.get("order_id", "")), str(facts.get("order_status", "")), body["code"])
    return Answer(asked, status, str(body.get("id", "")), str(body.get("status", "")))


@dataclass
class Purchase:
    """One order that a client wants, under one Idempotency-Key, and all that it was told of it."""

    key: str
    customer_id: str
    sku: str
    quantity: int = 1
    card: str = GOOD
    waits: bool = True
    cancels: bool = False
    pays_by_webhook: bool = False
    history: str = ""
    gave_up: bool = False
    answers: list[Answer] = field(default_factory=list)

    @property
    def order_ids(self) -> list[str]:
        """The orders that answers named; there may be one only."""
        return sorted({answer.order_id for answer in self.answers if answer.order_id})

    @property
    def order_id(self) -> str:
        return next(iter(self.order_ids), "")

    @property
    def asked_to_cancel(self) -> bool:
        return any(answer.asked == "cancel" for answer in self.answers)

    @property
    def knows_its_order(self) -> bool:
        """Say whether any answer told how the order stands, or that there is none and why."""
        return any(answer.order_status or answer.is_final for answer in self.answers)

    def was_told(self, *statuses: str) -> bool:
        """Say whether any answer gave the order one of these statuses."""
        return any(answer.order_status in statuses for answer in self.answers)


def plan(*, seed: str, customers: Sequence[str], count: int, history: str) -> list[Purchase]:
    """Return what the clients of one round want, the same for the same seed."""
    chance = random.Random(seed)
    return [_wish(chance, customers, history) for _ in range(count)]


def _wish(chance: random.Random, customers: Sequence[str], history: str) -> Purchase:
    kind = chance.choices(
        ["plain", "short", "declined", "challenged", "asynchronous", "canceled"], [40, 8, 10, 14, 14, 14]
    )[0]
    wish = Purchase(
        key=str(uuid.UUID(int=chance.getrandbits(128), version=4)),
        customer_id=chance.choice(customers),
        sku=chance.choice(["MUG", "TEAPOT", "LAMP"]),
        quantity=chance.randint(1, 3),
        history=history,
    )
    wish.pays_by_webhook = chance.random() < 0.5
    if kind == "short":
        wish.sku = "POSTER"
    elif kind == "declined":
        wish.card = DECLINED
    elif kind == "challenged":
        wish.card = CHALLENGED
    elif kind == "asynchronous":
        wish.waits = False
    elif kind == "canceled":
        wish.cancels = True
    return wish
