"""What of the product is left to chance, handed to the scheduler: ids, jitter, the order of rows that none was asked for."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any
from unittest import mock

from django.core.cache import cache
from django.test import override_settings

import orders.models
import payments.sandbox.store
import shop.ids
import shop.resilience.retry
from orders import services
from orders.sagas import engine
from shop.events import relay
from shop.models import DueModel


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


@contextmanager
def patches(world: Any) -> Iterator[None]:
    """Take the chance out of the product while this is open."""
    dice = world.dice
    claim_due: Any = DueModel.__dict__["claim_due"].__func__
    claim_due_sagas = services.claim_due_sagas
    postpone: Callable[..., None] = engine._postpone

    def in_order(cls: type[DueModel], *, limit: int, lease_seconds: float) -> list[Any]:
        return sorted(claim_due(cls, limit=limit, lease_seconds=lease_seconds))

    def watched(walk: Any, error: str, *, parks_after: int) -> None:
        if parks_after == 1:
            world.violated(f"a saga met a bug: {error.strip().splitlines()[-1]}")
        postpone(walk, error, parks_after=parks_after)

    with ExitStack() as stack:
        for owner, name, made in (
            (shop.ids, "secrets", dice),
            (shop.ids, "time", SimpleNamespace(time_ns=world.clock.time_ns)),
            (orders.models, "secrets", dice),
            (payments.sandbox.store, "secrets", dice),
            (shop.resilience.retry, "random", SimpleNamespace(uniform=lambda low, high: (low + high) / 2)),
            (DueModel, "claim_due", classmethod(in_order)),
            (services, "claim_due_sagas", lambda *, limit: sorted(claim_due_sagas(limit=limit))),
            (engine, "_postpone", watched),
            (relay, "transport", lambda: world),
            (relay, "time", SimpleNamespace(monotonic=world.clock.monotonic, sleep=world.clock.advance)),
        ):
            stack.enter_context(mock.patch.object(owner, name, made))
        stack.enter_context(
            override_settings(SANDBOX_CARRIER_TRANSIT_SECONDS=60.0, STRIPE_WEBHOOK_SECRETS=["whsec_sandbox"])
        )
        cache.clear()
        yield
