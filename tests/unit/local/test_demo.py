"""The demo's own world, whatever the environment names."""

from __future__ import annotations

import contextlib
import os

import pytest

from local.demo import __main__ as demo


def test_the_demo_asks_nobody_for_money_but_its_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {
        "STRIPE_API_KEY": "sk_live_of_somebody",
        "STRIPE_WEBHOOK_SECRETS": "whsec_of_somebody",
        "PAYMENT_PROVIDER": "somewhere.else",
        "DATABASE_URL": "postgresql://somewhere",
    }
    monkeypatch.setattr(os, "environ", environment)
    monkeypatch.setattr(demo, "_run", lambda home, began: 0)
    monkeypatch.setattr(demo, "_own_names", contextlib.nullcontext)

    assert demo.main() == 0

    assert environment == {"DATABASE_URL": "postgresql://somewhere"}
