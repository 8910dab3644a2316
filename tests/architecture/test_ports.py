"""The ports speak the shop's language: the words of a company stand in its adapter and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("orders", "inventory", "payments", "shipping", "notifications", "shop")
STRIPES = re.compile(
    r"stripe|requires_(?:capture|confirmation|payment_method)|payment_intent|\bcharge\.|whsec|\b(?:pi|pm)_|\b[sr]k_(?:live|test)"
    r"|resource_missing|idempotency_error",
    re.IGNORECASE,
)
ADAPTER = "payments/gateways/stripe/"
# What happened stays as it was written; the package says which adapters there are; what is redacted has
# to be named. The storefront's card form is the provider's own script, and the policy of its pages names where it comes from.
KNOWN = {
    "payments/migrations/",
    "payments/gateways/__init__.py",
    "shop/observability/logging.py",
    "shop/rest/policies.py",
    "shop/storefront/",
}


def foreign_words(root: Path) -> Iterator[str]:
    """Yield the lines of the product that speak a provider's language outside of its adapter."""
    for package in PRODUCT:
        for path in sorted((root / package).rglob("*")):
            name = path.relative_to(root).as_posix()
            if path.suffix not in {".py", ".sql", ".html", ".js"} or name.startswith((ADAPTER, *KNOWN)):
                continue
            for number, line in enumerate(path.read_text().splitlines(), start=1):
                if STRIPES.search(line):
                    yield f"{name}:{number}: {line.strip()}"


def test_stripes_words_stand_in_its_adapter_only():
    assert list(foreign_words(ROOT)) == []


@pytest.mark.parametrize(
    "line",
    [
        'if intent.status == "requires_capture":',
        'TYPES = {"payment_intent.succeeded"}',
        "SECRET = 'whsec_1'",
        'intent_id = "pi_1"',
        'METHOD = re.compile("pm_.*")',
        "from payments.gateways.stripe import words",
        "raise error if code == 'resource_missing' else None",
    ],
)
def test_a_planted_word_is_seen(tmp_path: Path, line: str):
    for package in PRODUCT:
        (tmp_path / package).mkdir()
    (tmp_path / "payments" / "rules.py").write_text(f"{line}\n")
    adapter = tmp_path / ADAPTER
    adapter.mkdir(parents=True)
    (adapter / "words.py").write_text(f"{line}\n")

    assert list(foreign_words(tmp_path)) == [f"payments/rules.py:1: {line}"]
