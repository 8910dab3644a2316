"""The examples of the API's description, as they are taken from answers: ids, tokens and times are replaced, each by one of its kind.

Those of `raised` are rendered. Others are what some test got: EXAMPLES_LOG=LOG pytest tests/..., then EXAMPLES_FROM=LOG make examples.
"""

from __future__ import annotations

import json
import os
import re
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from local.processes import ROOT
from orders import services
from orders.models import NUMBER_ALPHABET, new_order_number
from orders.rest.declined import TooManyDeclined
from orders.sagas import engine, steps
from payments import api as payments
from shop.accounts.mailing import AccountMailUnsent
from shop.coalescing import NotAnswered, QueueFull
from shop.errors import Busy, ShopError
from shop.money import Money
from shop.rest.problem import problem_of
from shop.rest.problem_schemas import SIGNED_OUT, name_of
from tests.contract import description

FILE = ROOT / "config" / "api_examples.json"
BEGIN = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)
# Nothing in an example is a moment off: a slow machine must not change it.
STEP = timedelta(minutes=5)
ETAG = re.compile(r"\"[0-9a-f]{32}\"")
UUIDS = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
MOMENT = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)$")
HOST = "https://shop.example"
INSTANCE = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, 'trace')}"


def raised() -> list[ShopError]:
    """Return the errors that no test's client is answered with, as the code raises them: they come of races, outages and many requests."""
    order_id, amount = uuid.uuid5(uuid.NAMESPACE_URL, "order"), Money(50, "EUR")
    return [
        payments.PaymentNotAuthorized(
            f"nothing was taken for order {order_id}, so nothing goes back", order_id=order_id, status="VOIDED"
        ),
        payments.AuthorizationGone(f"the payment of order {order_id} is voided", order_id=order_id),
        payments.PaymentClosed(f"the payment of order {order_id} is voided", order_id=order_id),
        payments.PaymentRefusedByProvider(order_id=order_id),
        payments.RefundDiffers(refund_id=order_id, amount=amount),
        payments.UnchargeableAmount(f"{amount} is less than the card provider charges", amount=amount),
        engine.PaymentUnavailable(),
        steps.RefundNotMade("money of this order is still to go back", order_id=str(order_id)),
        services.HoldEnded(order_id=order_id),
        services.HoldExtensionsOff(order_id=order_id),
        QueueFull(use_case="reserve_stock"),
        NotAnswered(use_case="reserve_stock"),
        AccountMailUnsent(),
        TooManyDeclined(retry_after_seconds=1800),
        services.RegionNotKnown(country="CA", region="NOWHERE", regions=["NL", "ON", "QC"]),
        Busy(),
    ]


def rendered() -> dict[str, dict[str, Any]]:
    """Return the problems that these are told as."""
    problems = [Cleaned().value(problem_of(error).body()) for error in raised()]
    return {name_of(problem["code"]): problem | {"instance": INSTANCE} for problem in problems}


def order_number(count: int) -> str:
    """Return a number that the shop could give an order; the same for the same count."""
    drawn = uuid.uuid5(uuid.NAMESPACE_URL, f"order {count}").bytes
    return "".join(NUMBER_ALPHABET[byte % len(NUMBER_ALPHABET)] for byte in drawn[: len(new_order_number())])


class Cleaned:
    """Replaces what differs from run to run, the same by the same."""

    def __init__(self) -> None:
        self.began = datetime.now(UTC)
        self._known: dict[str, str] = {}
        self._keys: dict[int, int] = {}

    def put(self, found: str, shown: str) -> None:
        """Have a value be shown as another one."""
        self._known.setdefault(found, shown)

    def value(self, value: Any, name: str = "") -> Any:
        """Return a value of JSON as it is shown; `name` is the member's."""
        if isinstance(value, dict):
            return {each: self.value(inner, each) for each, inner in value.items()}
        if isinstance(value, list):
            return [self.value(inner, name) for inner in value]
        if name == "at" and isinstance(value, float):
            return BEGIN.timestamp()
        if name == "id" and isinstance(value, int):
            # A key that the database counts, of whatever was there before.
            return self._keys.setdefault(value, len(self._keys) + 1)
        return self._text(value, name) if isinstance(value, str) else value

    def _text(self, text: str, name: str) -> str:
        for found, shown in self._known.items():
            text = text.replace(found, shown)
        if MOMENT.match(text):
            later = datetime.fromisoformat(text) - self.began
            return (BEGIN + round(later / STEP) * STEP).isoformat().replace("+00:00", "Z")
        if name == "trace_id":
            return uuid.uuid5(uuid.NAMESPACE_URL, "trace").hex
        text = ETAG.sub('"' + uuid.uuid5(uuid.NAMESPACE_URL, "etag").hex + '"', text)
        text = re.sub(r"https?://testserver", HOST, text)
        text = re.sub(r"(cursor=)[^&]+", r"\1bmV4dA", text)
        return UUIDS.sub(self._uuid, text)

    def _uuid(self, found: re.Match[str]) -> str:
        count = len([each for each in self._known if UUIDS.fullmatch(each)])
        shown = str(uuid.UUID(bytes=uuid.uuid5(uuid.NAMESPACE_URL, f"example {count}").bytes, version=4))
        return self._known.setdefault(found[0], self._known.get(found[0], shown))


def kept() -> dict[str, Any]:
    """Return what is kept."""
    found: dict[str, Any] = json.loads(FILE.read_text()) if FILE.exists() else {"operations": {}, "problems": {}}
    return found


def keep(part: str, values: dict[str, Any]) -> None:
    """Write one part of it."""
    FILE.write_text(json.dumps(kept() | {part: values}, indent=1, ensure_ascii=False, sort_keys=part == "") + "\n")


def component_of(body: dict[str, Any]) -> str:
    """Return the component of a problem that was answered."""
    if body["code"] == "not_authenticated" and "data" in body:
        return SIGNED_OUT
    return name_of(body["code"])


def all_problems(played: dict[str, Any]) -> dict[str, Any]:
    """Return what is kept of problems, with what was played now, what is rendered, and what a log has."""
    log = os.environ.get("EXAMPLES_FROM")
    answered = take_problems(Path(log).read_text().splitlines()) if log else {}
    return dict(sorted((kept()["problems"] | answered | rendered() | played).items()))


def take_problems(lines: Iterable[str]) -> dict[str, Any]:
    """Return an example for each problem of the description: the one that says most in the fewest words."""
    known = description()["components"]["schemas"].keys()
    found: dict[str, dict[str, Any]] = {}
    for line in lines:
        shown = Cleaned().value(json.loads(line))
        component = component_of(shown)
        if component in known and (component not in found or _goodness(shown) < _goodness(found[component])):
            found[component] = shown
    return found


def _goodness(body: dict[str, Any]) -> tuple[Any, ...]:
    """Order problems, the best first: with facts of its own, in words of its own, short; the same whichever came first."""
    text = json.dumps(body, sort_keys=True)
    return (-len(body.get("facts", ())), body["detail"] == body["title"], len(text), text)
