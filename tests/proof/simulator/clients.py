"""Those who ask: customers and staff, what they asked under which key, and every answer that they were given."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from allauth.account.models import EmailAddress
from django.urls import resolve
from rest_framework.test import APIRequestFactory, force_authenticate

from orders.models import Order
from shop.accounts.guests import admit_guest
from shop.models import User
from tests.driver.factories import UserFactory

STAFF_MAY = ("orders.view_order", "orders.cancel_order", "orders.refund_order")
CUSTOMERS = ("customer 1", "customer 2")
# Has a mailbox that the first customer may verify; comes where a history has codes.
GUEST = "the guest"
WAITING = ("PENDING", "AWAITING_PAYMENT", "CONFIRMING")


@dataclass(frozen=True)
class Answer:
    """What a client was told."""

    status: int
    body: Any

    @property
    def is_final(self) -> bool:
        """Say whether the API promises to give it again under the same key."""
        facts = self.body.get("facts", {}) if isinstance(self.body, dict) else {}
        match self.status:
            case 200:
                return True
            case 402 | 409 if "next_action" in facts or self.body.get("code") == "order_not_payable":
                return False  # the order waits for another card, or tries one
            case 402:
                return True
            case 201:
                return self.body.get("status") not in WAITING
            case 409:
                too_early = self.body.get("code") == "hold_not_extendable" and facts["status"] == "PENDING"
                return self.body.get("code") != "order_being_confirmed" and not too_early
        return False

    def __str__(self) -> str:
        told = self.body.get("code") or self.body.get("status") if isinstance(self.body, dict) else ""
        return f"{self.status} {told}"


@dataclass
class Wish:
    """One request with its key; asked once or many times. `order`: its number in the history.

    `answer_lost`: the database was away when a final answer was to be kept, so the next one may tell what is true by then.
    `forgotten_from`: from the answer of that number on, what was kept may be erased with the person whom it tells of.
    `codes` and `total`: of an order, the codes that it names, and what its quote said.
    """

    who: str
    path: str
    key: str
    body: dict[str, Any]
    words: str
    order: int
    is_placing: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)
    asked: int = 0
    answer_lost: bool = False
    forgotten_from: int | None = None
    codes: tuple[str, ...] = ()
    total: int | None = None


@dataclass
class Placed:
    """An order as its customer knows it; `order_id` once it is recorded."""

    number: int
    who: str
    key: str
    order_id: uuid.UUID | None = None
    status: str = ""


def email_of(who: str) -> str:
    """Return the address of a user."""
    return f"{who.replace(' ', '-')}@shop.example"


def canary_of(who: str) -> str:
    """Return a name that stands in everything that goes to a customer, and nowhere else."""
    return f"Quuxworth-{who.replace(' ', '-')}"


class People:
    """The users of the shop, made once, and the wishes of one history."""

    def __init__(self) -> None:
        self._users: dict[str, User] = {}
        self._factory = APIRequestFactory()
        self.wishes: list[Wish] = []
        self.orders: list[Placed] = []
        self.erased: list[str] = []
        self.verified = False
        self._closed: set[str] = set()

    def arrive(self) -> None:
        """Make the users."""
        User.objects.all().delete()
        self._users = {
            **{who: UserFactory(email=email_of(who)) for who in CUSTOMERS},
            "staff": UserFactory(email="staff@shop.example", is_staff=True, permissions=STAFF_MAY),
            GUEST: admit_guest(email=email_of(GUEST)).user,
        }
        for user in self._users.values():
            user.get_all_permissions()

    def forget(self) -> None:
        """Begin another history."""
        for who in self.erased:
            self._users[who].save(force_update=True)
        if self.verified:
            EmailAddress.objects.all().delete()
        self.verified = False
        self.wishes, self.orders, self.erased, self._closed = [], [], [], set()

    def id_of(self, who: str) -> uuid.UUID:
        """Return the id of a user, which outlives the erasure."""
        return uuid.UUID(str(self._users[who].pk))

    def erase(self, who: str) -> None:
        """Note that somebody is to be erased: until the account is closed they may still ask."""
        self.erased.append(who)
        for wish in self.wishes:
            if wish.forgotten_from is None and self._is_about(wish, who):
                wish.forgotten_from = len(wish.answers)

    def note(self, wish: Wish) -> None:
        """Remember a wish that is asked for the first time."""
        self.wishes.append(wish)
        if any(self._is_about(wish, who) for who in self.erased):
            wish.forgotten_from = 0

    def _is_about(self, wish: Wish, who: str) -> bool:
        return wish.who == who or any(placed.number == wish.order and placed.who == who for placed in self.orders)

    def may_ask(self, who: str) -> bool:
        """Return whether a user has an account that is open."""
        if who not in self.erased or who in self._closed:
            return who not in self._closed
        if not User.objects.filter(pk=self._users[who].pk, is_active=True).exists():
            self._closed.add(who)
        return who not in self._closed

    def ask(self, wish: Wish) -> Answer:
        """Send a request as the API takes it, below the token of its caller; remember the answer."""
        wish.asked += 1
        answer = self.post(wish.who, wish.path, wish.body, {"Idempotency-Key": wish.key, **wish.headers})
        wish.answers.append(answer)
        return answer

    def post(self, who: str, path: str, body: dict[str, Any], headers: Mapping[str, str]) -> Answer:
        """Send a request."""
        path = f"/api/v1/{path}"
        request = self._factory.post(path, json.dumps(body), content_type="application/json", headers=headers)
        force_authenticate(request, user=self._users[who])
        match = resolve(path)
        response = match.func(request, *match.args, **match.kwargs)
        if hasattr(response, "render"):
            response.render()
        return Answer(response.status_code, json.loads(response.content))

    def look_up(self) -> list[Placed]:
        """Find which orders are recorded, and how they stand; return those, in the order of their placing."""
        rows = {(row[1], row[2]): (row[0], row[3]) for row in Order.objects.values_list(
            "pk", "customer_id", "idempotency_key", "status"
        )}  # fmt: skip
        for order in self.orders:
            customer_id = self._users[order.who].pk
            found = rows.get((customer_id, order.key))
            if found is None and self.verified:
                # Taken along, it names its guest in its key.
                found = rows.get((self._users[CUSTOMERS[0]].pk, f"{customer_id} {order.key}"))
            if found is None and order.order_id is not None and order.who in self.erased:
                # An erased order no longer has its key.
                found = next((row for row in rows.values() if row[0] == order.order_id), None)
            if found is not None:
                order.order_id, order.status = found
        return [order for order in self.orders if order.order_id is not None]
