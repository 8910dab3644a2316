"""What of the product is left to chance, handed to the scheduler: ids and jitter."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any
from unittest import mock

from django.core.cache import cache
from django.test import override_settings

import local.stripe.store
import orders.models.order
import shop.ids
import shop.resilience.retry
from orders.sagas import engine
from shop import coalescing
from shop.events import relay


class Dice:
    """Stands for the module `secrets`: as good as random, and the same for each history."""

    def __init__(self) -> None:
        self.begin(0)

    def begin(self, seed: int) -> None:
        """Begin another history."""
        self._random = random.Random(seed)

    def randbits(self, bits: int) -> int:
        """Return bits."""
        return self._random.getrandbits(bits)

    def token_bytes(self, length: int) -> bytes:
        """Return bytes."""
        return self._random.randbytes(length)

    def choice(self, options: Any) -> Any:
        """Return one of them."""
        return self._random.choice(options)


def run_at_once(batch: Any, call: Any, _seconds: float) -> None:
    """Have whoever waits for a batch run it: one thread runs at any moment here, and it is the one that may die."""
    coalescing._Worker(batch.context)._answer([call])


@contextmanager
def patches(world: Any) -> Iterator[None]:
    """Take the chance out of the product while this is open."""
    dice = world.dice
    postpone: Callable[..., None] = engine._postpone

    def watched(walk: Any, error: str, *, parks_after: int) -> None:
        if parks_after == 1:
            world.violated(f"a saga met a bug: {error.strip().splitlines()[-1]}")
        postpone(walk, error, parks_after=parks_after)

    with ExitStack() as stack:
        for owner, name, made in (
            (shop.ids, "_draw", lambda: dice.randbits(64)),
            (shop.ids, "time", SimpleNamespace(time_ns=world.clock.time_ns)),
            (orders.models.order, "secrets", dice),
            (local.stripe.store, "secrets", dice),
            (shop.resilience.retry, "random", SimpleNamespace(uniform=lambda low, high: (low + high) / 2)),
            (engine, "_postpone", watched),
            # Where COALESCE is on: in a slice of the tests, and where make simulate finds it in the environment.
            (coalescing.Batch, "_await", run_at_once),
            (coalescing.Batch, "alone_if_nobody_else_asks", False),
            (relay, "transport", lambda: world),
            (relay, "time", SimpleNamespace(monotonic=world.clock.monotonic, sleep=world.clock.advance)),
        ):
            stack.enter_context(mock.patch.object(owner, name, made))
        stack.enter_context(
            override_settings(
                QUOTE_VALID_SECONDS=120, SANDBOX_CARRIER_TRANSIT_SECONDS=60.0, STRIPE_WEBHOOK_SECRETS=["whsec_sandbox"]
            )
        )
        cache.clear()
        yield
