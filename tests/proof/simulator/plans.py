"""What goes wrong while one action runs, chosen before it begins: at its k-th point, at its k-th request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.proof.simulator.bank import EXPIRIES, FAULTS
from tests.proof.simulator.choices import Choices

FAR = (4, 10, 30)
BROKER_FAULTS = ("broker down", "messages lost", "confirms lost", "message refused by the broker")
Visit = Callable[[Any, int], None]


@dataclass
class Plan:
    """Numbers count from 1; 0 means never."""

    death: int = 0
    database: int = 0
    request: int = 0
    fault: str = ""
    visit: int = 0
    visitor: Visit | None = None
    carrier: str = ""
    mail: str = ""
    broker: str = ""
    database_failed: bool = False

    def dies(self, point: int) -> bool:
        """Say whether the process dies at this point."""
        return point == self.death

    def database_fails(self, commit: int) -> bool:
        """Say whether the connection is lost at this moment before or after a commit."""
        if commit != self.database:
            return False
        self.database_failed = True
        return True

    def outside_fails(self, kind: str, *, before: bool) -> bool:
        """Say whether the carrier or the mail server fails this call, which happens once."""
        wanted = self.carrier if kind == "carrier" else self.mail
        if wanted != ("down" if before else "answer lost"):
            return False
        if kind == "carrier":
            self.carrier = ""
        else:
            self.mail = ""
        return True

    def visit_at(self, point: int) -> Visit | None:
        """Give what comes between at this point, if anything does."""
        if not self.visit or point < self.visit:
            return None
        self.visit, visitor = 0, self.visitor
        return visitor

    def fault_of_request(self, method: str, path: str) -> str:
        """Give the fault of this request to the provider, "" for none."""
        if not self.fault:
            return ""
        if self.fault in EXPIRIES:
            if not path.endswith("/capture"):
                return ""
        else:
            self.request -= 1
            if self.request > 0:
                return ""
        fault, self.fault = self.fault, ""
        return fault

    def take_broker_fault(self) -> str:
        """Give the fault of this batch, "" for none."""
        fault, self.broker = self.broker, ""
        return fault


# What can fail on the way of an action, by what it asks outside: weights beside those of a death or a visit.
OUTSIDE: dict[str, list[tuple[int, str]]] = {
    "provider": [(36, "fault"), (28, "expiry")],
    "broker": [(20, "broker")],
    "carrier": [(40, "carrier")],
    "mail server": [(40, "mail")],
}
EVERYWHERE = [(20, "visit"), (16, "death"), (7, "database")]


def draw_plan(choices: Choices, asks: Sequence[str], visitors: list[tuple[int, Visit]]) -> Plan:
    """Choose what goes wrong; often nothing, sometimes two things. `asks` says whom outside the action asks."""
    plan = Plan()
    what_fails = [*EVERYWHERE, *(failure for who in asks for failure in OUTSIDE[who])]
    for _thing in range(choices.weighted([(40, 0), (45, 1), (15, 2)])):
        match choices.weighted(what_fails):
            case "visit":
                plan.visit, plan.visitor = _far(choices), choices.weighted(visitors)
            case "death":
                plan.death = _far(choices)
            case "fault":
                plan.fault, plan.request = choices.among(list(FAULTS)), 1 + choices.draw(4)
            case "expiry":
                plan.fault = choices.among(list(EXPIRIES))
            case "database":
                plan.database = _far(choices)
            case "carrier":
                plan.carrier = choices.among(("down", "answer lost"))
            case "mail":
                plan.mail = choices.among(("down", "answer lost"))
            case "broker":
                plan.broker = choices.among(BROKER_FAULTS)
    return plan


def _far(choices: Choices) -> int:
    return 1 + choices.draw(choices.among(FAR))
