"""docs/personal-data.md names every column for text, as personal or not: a new one has to be thought about."""

from __future__ import annotations

import fnmatch
import re
from pathlib import Path

import pytest
from django.apps import apps
from django.db import models
from django.test.utils import isolate_apps

PAGE = Path(__file__).resolve().parents[2] / "docs" / "personal-data.md"
TEXTS = (models.CharField, models.TextField, models.JSONField, models.BinaryField, models.GenericIPAddressField)
DIGEST = re.compile(r"_(?:key|hash|digest|fingerprint)$")
NAME = re.compile(r"`([a-z_*]+\.(?:[a-z_0-9]+|\*))`")


def columns() -> dict[str, models.Field]:
    """Return each column of each table that this installation migrates."""
    return {
        f"{model._meta.db_table}.{field.column}": field
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed
        for field in model._meta.concrete_fields
    }


def texts() -> set[str]:
    """Return the columns that can hold any text, which a status can not, and those that are named like a digest of one."""
    return {
        name
        for name, field in columns().items()
        if (isinstance(field, TEXTS) and not field.choices) or DIGEST.search(name)
    }


def declared(heading: str) -> list[str]:
    """Return the columns that a section's table names in its first cells: each one, or each that a `*` stands for."""
    section = PAGE.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    named = [name for line in section.splitlines() if line.startswith("|") for name in NAME.findall(line.split("|")[1])]
    return [column for name in named for column in (fnmatch.filter(columns(), name) if "*" in name else [name])]


def undeclared() -> set[str]:
    return texts() - {*declared("What is kept"), *declared("Texts that say nothing of a person")}


def test_every_column_for_text_is_declared_personal_or_not():
    assert undeclared() == set()


def test_no_column_is_declared_twice_or_does_not_exist():
    named = [*declared("What is kept"), *declared("Texts that say nothing of a person")]

    assert sorted(name for name in set(named) if named.count(name) > 1) == []
    assert sorted(set(named) - set(columns())) == []


def test_every_context_with_a_personal_column_erases():
    from shop.personal import keepers

    contexts = {name.split("_")[0] for name in declared("What is kept")} - {"shop", "account", "mfa", "django"}

    assert contexts == {keeper.context for keeper in keepers.keepers()}, "register a Keeper (services/personal.py)"


def test_whatever_a_customer_may_say_with_an_order_is_looked_for_in_logs_and_after_an_erasure():
    # A text that has no canary could stand in a log, and no test would notice.
    from orders.queries import SAID_BY_SOME
    from tests.proof.security import test_personal_data
    from tests.proof.security.erasure import person

    texts = set(SAID_BY_SOME) - {"locale"}

    assert texts == set(test_personal_data.DETAILS)
    assert {*texts, "billing_address"} == set(person.DETAILS)


@pytest.mark.parametrize("kind", [models.TextField, models.JSONField, models.EmailField])
def test_a_new_column_for_text_is_missed(kind: type[models.Field], monkeypatch: pytest.MonkeyPatch):
    with isolate_apps("orders"):

        class Survey(models.Model):
            answer = kind()

            class Meta:
                app_label = "orders"
                db_table = "orders_survey"

        known = apps.get_models(include_auto_created=True)
        monkeypatch.setattr(apps, "get_models", lambda **_options: [*known, Survey])

        assert undeclared() == {"orders_survey.answer"}
