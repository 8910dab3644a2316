"""Clients that order, as careful ones do: what was not answered is asked again under the same Idempotency-Key."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import requests

from tests.proof.processes.purchases import CHALLENGED, Answer, Purchase, read_answer
from tests.proof.processes.shop import ChaosShop, wait_until

# How long a client waits for one answer, and how long it keeps asking before it gives up and does not know.
ANSWER_SECONDS: Final = 6.0
PATIENCE_SECONDS: Final = 120.0
FIRST_PAUSE_SECONDS: Final = 0.2
LONGEST_PAUSE_SECONDS: Final = 2.0
LOOKS: Final = 5
# A machine of two cores carries it with ease: what is measured then is how the shop recovers, not how it catches up.
ORDERS_PER_SECOND: Final = 1.5
ADDRESS: Final = {
    "name": "Ada Example",
    "line1": "1 Harbor Street",
    "city": "Lisbon",
    "postal_code": "1100-001",
    "country": "PT",
}


class Load:
    """Threads that take one purchase after the other from a list, at a steady pace, until it is done."""

    def __init__(self, shop: ChaosShop, purchases: Sequence[Purchase], *, clients: int) -> None:
        self._shop = shop
        self._waiting = list(reversed(purchases))
        self._lock = threading.Lock()
        self._next_at = 0.0
        self.taken = 0
        self.under_way = 0
        self.troubles: list[str] = []
        self._threads = [threading.Thread(target=self._buy_all, name=f"client {n}") for n in range(clients)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def wait_until_taken(self, count: int) -> int:
        """Return how many purchases are under way, once so many have begun and one is; 0 where the load is over."""

        def look() -> tuple[int] | None:
            under_way = self.under_way
            return (under_way,) if (under_way and self.taken >= count) or not self.is_running() else None

        (under_way,) = wait_until(look, "the load goes on", seconds=300, pause=0.02)
        return int(under_way)

    def is_running(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _buy_all(self) -> None:
        while (purchase := self._next()) is not None:
            try:
                with self._is_under_way():
                    Client(self._shop, purchase).buy()
            except Exception as error:  # noqa: BLE001  a client that breaks is a finding, not the end of the others
                self.troubles.append(f"{purchase.history}: a client of ours broke: {error!r}")

    def _next(self) -> Purchase | None:
        """Return the next purchase once its time has come; None where none is left."""
        with self._lock:
            if not self._waiting:
                return None
            purchase = self._waiting.pop()
            self._next_at = max(time.monotonic(), self._next_at + 1 / ORDERS_PER_SECOND)
            comes_at = self._next_at
        threading.Event().wait(comes_at - time.monotonic())
        with self._lock:
            self.taken += 1
        return purchase

    @contextmanager
    def _is_under_way(self) -> Iterator[None]:
        with self._lock:
            self.under_way += 1
        try:
            yield
        finally:
            with self._lock:
                self.under_way -= 1


class Client:
    """One purchase from its first request to the last thing it was told."""

    def __init__(self, shop: ChaosShop, purchase: Purchase) -> None:
        self._shop = shop
        self._purchase = purchase
        self._gives_up_at = time.monotonic() + PATIENCE_SECONDS
        self._pause = threading.Event()
        self._secret = ""

    def buy(self) -> None:
        wish = self._purchase
        told = self._insist("place", self._place)
        if told is None or not told.order_id:
            return
        if wish.card == CHALLENGED:
            self._authenticate()
        elif wish.cancels:
            key = str(uuid.uuid5(uuid.UUID(wish.key), "cancel"))
            self._insist("cancel", lambda: self._post(f"/{wish.order_id}/cancel", {}, key))
        self._look()

    def _place(self) -> requests.Response:
        wish = self._purchase
        body = {
            "lines": [{"sku": wish.sku, "quantity": wish.quantity}],
            "payment_method": wish.card,
            "shipping_address": ADDRESS,
        }
        return self._post("", body, wish.key, **({} if wish.waits else {"Prefer": "respond-async"}))

    def _authenticate(self) -> None:
        """Approve in the bank's app, as soon as an answer has brought the secret that leads there."""
        wish = self._purchase
        while not self._secret and not wish.was_told("CONFIRMED", "SHIPPED", "DELIVERED", "CANCELING", "CANCELED"):
            if time.monotonic() > self._gives_up_at:
                return
            self._pause.wait(LONGEST_PAUSE_SECONDS / 2)
            self._insist("place", self._place)
        if not self._secret or not self._approve():
            return
        if not wish.pays_by_webhook:
            key = str(uuid.uuid5(uuid.UUID(wish.key), "pay"))
            self._insist("pay", lambda: self._post(f"/{wish.order_id}/payment", {}, key))

    def _approve(self) -> bool:
        intent = self._secret.split("_secret_")[0]
        while time.monotonic() < self._gives_up_at:
            try:
                self._shop.sandbox("POST", f"payment_intents/{intent}/authenticate", {"outcome": "approve"})
            except requests.HTTPError:
                # The bank has answered already: an approval whose own answer was lost, or an order canceled meanwhile.
                return True
            except requests.RequestException:
                self._pause.wait(FIRST_PAUSE_SECONDS)
            else:
                return True
        return False

    def _look(self) -> None:
        """Look at the order a few times, as an order page does."""
        wish = self._purchase
        for _ in range(LOOKS):
            told = self._ask("look", lambda: self._send("GET", f"/{wish.order_id}", None, {}))
            if told.order_status in ("CONFIRMED", "SHIPPED", "DELIVERED", "CANCELED", "REFUNDED"):
                return
            self._pause.wait(LONGEST_PAUSE_SECONDS / 2)

    def _insist(self, asked: str, ask: Callable[[], requests.Response]) -> Answer | None:
        """Ask until there is an answer that will not change by asking; None where patience ended first."""
        pause = FIRST_PAUSE_SECONDS
        while not (told := self._ask(asked, ask)).is_final:
            if time.monotonic() > self._gives_up_at:
                self._purchase.gave_up = True
                return None
            self._pause.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
        return told

    def _ask(self, asked: str, ask: Callable[[], requests.Response]) -> Answer:
        try:
            answer = ask()
        except requests.RequestException:
            told = Answer(asked, None)
        else:
            body = _json_in(answer)
            told = read_answer(asked, answer.status_code, body)
            self._secret = self._secret or str((body.get("payment") or {}).get("client_secret") or "")
        self._purchase.answers.append(told)
        return told

    def _post(self, path: str, body: Any, key: str, **headers: str) -> requests.Response:
        return self._send("POST", path, body, {"Idempotency-Key": key, **headers})

    def _send(self, method: str, path: str, body: Any, headers: dict[str, str]) -> requests.Response:
        token = self._shop.tokens[self._purchase.customer_id]
        return requests.request(
            method,
            f"{self._shop.url}/api/v1/orders{path}",
            json=body,
            headers={"Authorization": f"Bearer {token}", **headers},
            timeout=ANSWER_SECONDS,
        )


def _json_in(answer: requests.Response) -> dict[str, Any]:
    """Return the object that was answered; {} where it is none: then the status alone was told."""
    with suppress(requests.exceptions.JSONDecodeError):
        body = answer.json()
        return body if isinstance(body, dict) else {}
    return {}


def keep_log(purchases: Sequence[Purchase], file: Path) -> None:
    """Write what the clients were told beside the processes' logs."""
    with file.open("a") as log:
        for purchase in purchases:
            log.write(json.dumps(purchase, default=lambda thing: thing.__dict__) + "\n")
