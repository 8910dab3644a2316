"""An email address is one account's, however it is spelled: in the admin, in the commands, in the table."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.apps import apps
from django.core.management import CommandError
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse

from shop.models import User
from shop.personal.accounts import person_of
from tests.driver.factories import PASSWORD, UserFactory

migration: Any = importlib.import_module("shop.migrations.0006_one_spelling_of_an_address")

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def desk() -> Client:
    client = Client()
    boss = User.objects.create_superuser("boss@shop.example", PASSWORD)
    client.force_login(boss, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def as_before() -> Iterator[Any]:
    """Take the index away, as an earlier release has it; at the end it stands again."""
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX shop_user_email_once")
    yield SimpleNamespace(connection=connection)
    User.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute(migration.ADD.replace("CONCURRENTLY ", ""))


def test_the_admin_adds_no_second_account_with_an_address_in_capitals(desk: Client):
    UserFactory(email="staff@shop.example")
    form = {"email": "STAFF@Shop.example", "password1": "a long sentence 7", "password2": "a long sentence 7"}

    answer = desk.post(reverse("admin:shop_user_add"), form | {"usable_password": "true"})

    assert (answer.status_code, "already exists" in answer.content.decode()) == (200, True)
    assert User.objects.count() == 2


def test_the_admin_keeps_an_address_in_small_letters_and_signs_it_in(desk: Client):
    form = {"email": "New@Shop.example", "password1": "a long sentence 7", "password2": "a long sentence 7"}

    assert desk.post(reverse("admin:shop_user_add"), form | {"usable_password": "true"}).status_code == 302

    assert User.objects.filter(email="new@shop.example").exists()
    login = {"email": "NEW@shop.example", "password": "a long sentence 7"}
    assert Client().post("/_allauth/app/v1/auth/login", login, content_type="application/json").status_code == 200


def test_the_table_takes_no_second_spelling():
    UserFactory(email="staff@shop.example")

    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create(email="STAFF@shop.example")


@pytest.mark.parametrize("asked", ["ada@shop.example", "ADA@SHOP.example"])
def test_a_person_is_found_however_the_address_is_spelled(asked: str):
    user = User.objects.create(email="Ada@Shop.example")

    assert person_of(email=asked).user_id == user.pk


def test_an_address_that_staff_enter_is_not_confirmed_and_the_one_before_resets_nothing(desk: Client):
    user = UserFactory(email="ada@shop.example")
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)

    desk.post(reverse("admin:shop_user_change", args=[user.pk]), {"email": "new@shop.example", "is_active": "on"})

    assert User.objects.get(pk=user.pk).email == "new@shop.example"
    assert not EmailAddress.objects.exists()


def test_migrating_names_accounts_with_one_address_and_changes_nothing(as_before: Any):
    two = [User.objects.create(email=email) for email in ("Staff@shop.example", "staff@shop.example")]
    UserFactory(email="ada@shop.example")

    with pytest.raises(CommandError) as told:
        migration.refuse_duplicates(apps, as_before)

    assert " and ".join(sorted(str(user.pk) for user in two)) in str(told.value)
    assert "staff" not in str(told.value)
    two[1].delete()
    migration.refuse_duplicates(apps, as_before)
    migration.spell_alike(apps, as_before)
    assert User.objects.filter(email="staff@shop.example").exists()


def test_migrating_gives_an_account_the_address_that_it_has_confirmed(as_before: Any):
    typo, right = UserFactory(email="typo@shop.example"), "right@shop.example"
    EmailAddress.objects.create(user=typo, email=typo.email, primary=True)
    EmailAddress.objects.create(user=typo, email=right, verified=True)
    ada, new = UserFactory(email="ada@shop.example"), UserFactory(email="new@shop.example")
    EmailAddress.objects.create(user=ada, email=ada.email, verified=True, primary=True)
    EmailAddress.objects.create(user=ada, email="victim@shop.example")
    EmailAddress.objects.create(user=new, email=new.email, primary=True)

    migration.settle_addresses(apps, as_before)

    assert set(User.objects.values_list("email", flat=True)) == {right, ada.email, new.email}
    assert set(EmailAddress.objects.values_list("email", "primary", "verified")) == {
        (right, True, True),
        (ada.email, True, True),
        (new.email, True, False),
    }
