"""Signing in to the admin: by password, by a second factor where the account has one, and not by guessing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    generate_totp_secret,
    hotp_value,
    yield_hotp_counters_from_time,
)
from django.core.cache import cache
from django.test import Client

from shop.models import User

PASSWORD = "a long sentence"
SignIn = Callable[..., Any]


@pytest.fixture(autouse=True)
def nobody_has_guessed(database: None) -> None:
    cache.clear()


@pytest.fixture
def member() -> User:
    return User.objects.create_user("member@shop.example", PASSWORD, is_staff=True)


@pytest.fixture
def sign_in(member: User) -> SignIn:
    def run(password: str = PASSWORD, **more: str) -> Any:
        body = {"username": member.email, "password": password, **more}
        return Client().post("/admin/login/?next=/admin/", body)

    return run


def says(answer: Any) -> str:
    assert answer.status_code == 200
    return " ".join(answer.context["form"].non_field_errors())


def code_of(secret: str) -> str:
    return format_hotp_value(hotp_value(secret, next(iter(yield_hotp_counters_from_time()))))


def test_a_password_is_enough_for_an_account_without_a_second_factor(sign_in: SignIn):
    assert sign_in().headers["Location"] == "/admin/"
    assert "enter the correct" in says(sign_in("something else"))


def test_a_shopper_is_no_member_of_staff(member: User, sign_in: SignIn):
    User.objects.filter(pk=member.pk).update(is_staff=False)

    assert "staff account" in says(sign_in())


def test_an_account_with_an_authenticator_needs_its_code(member: User, sign_in: SignIn):
    secret = generate_totp_secret()
    TOTP.activate(member, secret)

    assert says(sign_in()) == "This account needs the code that your authenticator app shows now."
    assert says(sign_in(code="000000" if code_of(secret) != "000000" else "111111")) == "Incorrect code."
    assert sign_in(code=code_of(secret)).headers["Location"] == "/admin/"


def test_a_recovery_code_signs_in_once(member: User, sign_in: SignIn):
    TOTP.activate(member, generate_totp_secret())
    code = RecoveryCodes.activate(member).get_unused_codes()[0]

    assert sign_in(code=code).headers["Location"] == "/admin/"
    assert says(sign_in(code=code)) == "Incorrect code."


def test_who_guesses_a_password_is_stopped_even_with_the_right_one(sign_in: SignIn):
    for _guess in range(5):
        assert "enter the correct" in says(sign_in("a guess"))

    assert "Too many failed login attempts" in says(sign_in())


def test_who_guesses_a_code_is_stopped(member: User, sign_in: SignIn):
    secret = generate_totp_secret()
    TOTP.activate(member, secret)
    wrong = "000000" if code_of(secret) != "000000" else "111111"

    for _guess in range(5):
        assert says(sign_in(code=wrong)) == "Incorrect code."

    assert "Too many failed login attempts" in says(sign_in(code=code_of(secret)))


def test_the_page_offers_the_code_as_a_part_of_its_form(database: None):
    page = Client().get("/admin/login/").content.decode()

    assert 'name="code"' in page
    assert 'id="login-form"' in page
    assert 'form="login-form"' in page
