"""Whose an email address is: nobody gets into another's account by an address that was set up before or beside it."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import unquote

import pytest
from allauth.account.models import EmailAddress
from allauth.core.internal import ratelimit
from django.core import mail
from django.core.cache import cache
from django.test import Client

from shop.accounts.addresses import AddressChange
from shop.models import User
from tests.driver.factories import PASSWORD, UserFactory

VICTIM, TROJAN = "victim@home.example", "trojan@elsewhere.example"
HERS, HIS = "victims-zebra-1x", "attackers-zebra-1"

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(autouse=True)
def nobody_has_tried() -> None:
    cache.clear()


@pytest.fixture(params=["optional", "mandatory"])
def verification(request: pytest.FixtureRequest, settings: Any) -> str:
    settings.ACCOUNT_EMAIL_VERIFICATION = request.param
    return str(request.param)


def call(method: str, path: str, body: Any = None, token: str = "") -> Any:
    headers = {"X-Session-Token": token} if token else {}
    content = "" if body is None else json.dumps(body)
    return Client().generic(method, f"/_allauth/app/v1/{path}", content, "application/json", headers=headers)


def mails_to(email: str) -> list[str]:
    return [str(sent.body) for sent in mail.outbox if email in sent.to]


def key_to(email: str, kind: str) -> str:
    """Return the key of the last mail of this kind, "" where none came."""
    keys = [unquote(found) for text in mails_to(email) for found in re.findall(rf"/{kind}/(\S+)", text)]
    return keys[-1] if keys else ""


def sign_up(email: str, password: str) -> Any:
    return call("POST", "auth/signup", {"email": email, "password": password})


def sign_in(email: str, password: str) -> Any:
    return call("POST", "auth/login", {"email": email, "password": password})


def token_of(answer: Any) -> str:
    assert answer.status_code == 200, answer.content
    return str(answer.json()["meta"]["session_token"])


def confirm(email: str) -> Any:
    return call("POST", "auth/email/verify", {"key": key_to(email, "verify-email")})


def reset(email: str, password: str) -> int:
    """Ask for a mail, and set a password with it; 0 where no mail came that could."""
    before = len(mails_to(email))
    call("POST", "auth/password/request", {"email": email})
    keys = [key for text in mails_to(email)[before:] for key in re.findall(r"/reset/key/(\S+)", text)]
    if not keys:
        return 0
    return int(call("POST", "auth/password/reset", {"key": unquote(keys[-1]), "password": password}).status_code)


def signed_in(email: str, password: str) -> str:
    """Sign up, confirm and sign in; return the token."""
    sign_up(email, password)
    confirm(email)
    return token_of(sign_in(email, password))


def ask_for(email: str, token: str, password: str = "") -> Any:
    """Ask for another address, after a fresh sign-in where a password is given."""
    if password:
        call("POST", "auth/reauthenticate", {"password": password}, token)
    return call("POST", "account/email", {"email": email}, token)


def of(email: str) -> User:
    return User.objects.get(email=email)


def test_who_signed_up_with_my_address_first_keeps_no_way_into_it(settings: Any):
    settings.ACCOUNT_EMAIL_VERIFICATION = "optional"
    his = token_of(sign_up(VICTIM, HIS))
    ask_for(TROJAN, his, HIS)
    begun = key_to(TROJAN, "verify-email")

    assert reset(VICTIM, HERS) == 401
    hers = token_of(sign_in(VICTIM, HERS))

    assert call("GET", "auth/session", token=his).status_code in (401, 410)
    assert call("POST", "auth/email/verify", {"key": begun}).status_code == 400
    assert reset(TROJAN, HIS) == 0
    assert (sign_in(TROJAN, HIS).status_code, sign_in(VICTIM, HIS).status_code) == (400, 400)
    addresses = call("GET", "account/email", token=hers).json()["data"]
    assert addresses == [{"email": VICTIM, "primary": True, "verified": True}]


def test_who_signed_up_with_my_address_and_left_for_another_leaves_it_free(settings: Any):
    settings.ACCOUNT_EMAIL_VERIFICATION = "optional"
    his = token_of(sign_up(VICTIM, HIS))
    ask_for(TROJAN, his, HIS)
    assert confirm(TROJAN).status_code in (200, 401)

    hers = token_of(sign_up(VICTIM, HERS))

    assert of(VICTIM).pk != of(TROJAN).pk
    assert call("GET", "account/email", token=hers).json()["data"][0]["email"] == VICTIM
    assert (reset(TROJAN, "attackers-zebra-2"), sign_in(VICTIM, "attackers-zebra-2").status_code) == (401, 400)


def test_no_second_factor_is_set_up_before_the_address_is_confirmed(settings: Any):
    settings.ACCOUNT_EMAIL_VERIFICATION = "optional"
    his = token_of(sign_up(VICTIM, HIS))

    call("POST", "auth/reauthenticate", {"password": HIS}, his)
    answer = call("GET", "account/authenticators/totp", token=his)

    assert (answer.status_code, [each["code"] for each in answer.json()["errors"]]) == (409, ["unverified_email"])


def test_an_address_that_another_account_asked_for_resets_nothing_of_it(verification: str):
    his = signed_in(TROJAN, HIS)
    assert ask_for(VICTIM, his, HIS).status_code == 200

    assert reset(VICTIM, HERS) == 0
    assert sign_in(VICTIM, HIS).status_code == 400
    assert not EmailAddress.objects.filter(email=VICTIM).exists()


def test_an_address_that_another_account_asked_for_signs_up_and_gets_its_mail(verification: str):
    his = signed_in(TROJAN, HIS)
    ask_for(VICTIM, his, HIS)
    asked_for = key_to(VICTIM, "verify-email")
    before = len(mails_to(VICTIM))

    sign_up(VICTIM, HERS)

    assert len(mails_to(VICTIM)) == before + 1
    assert key_to(VICTIM, "verify-email") != asked_for
    assert confirm(VICTIM).status_code in (200, 401)
    assert sign_in(VICTIM, HERS).status_code == 200
    taken = call("POST", "auth/email/verify", {"key": asked_for})
    assert (taken.status_code, taken.json()["errors"][0]["code"]) == (400, "email_taken")
    assert (reset(TROJAN, "attackers-zebra-2"), sign_in(VICTIM, "attackers-zebra-2").status_code) == (401, 400)


@pytest.mark.parametrize("way", ["sign-up", "reset"])
def test_what_an_earlier_release_noted_of_an_unconfirmed_address_counts_for_nothing(way: str, settings: Any):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    signed_in(TROJAN, HIS)
    EmailAddress.objects.create(user=of(TROJAN), email=VICTIM)

    if way == "reset":
        assert reset(VICTIM, HERS) == 0
    sign_up(VICTIM, HERS)

    confirm(VICTIM)
    assert sign_in(VICTIM, HERS).status_code == 200


def test_a_reset_confirms_the_address_of_an_account_that_was_never_confirmed(settings: Any):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    sign_up(VICTIM, HIS)

    assert reset(VICTIM, HERS) == 401

    assert sign_in(VICTIM, HERS).status_code == 200
    assert sign_in(VICTIM, HIS).status_code == 400


def test_an_address_is_changed_by_confirming_the_new_one(verification: str):
    token = signed_in(VICTIM, HERS)
    ask_for("new@home.example", token, HERS)
    key = key_to("new@home.example", "verify-email")

    assert call("GET", "account/email", token=token).json()["data"][0]["email"] == VICTIM
    assert call("POST", "auth/email/verify", {"key": key}, token).status_code == 200
    assert call("POST", "auth/email/verify", {"key": key}, token).status_code == 400

    assert call("GET", "account/email", token=token).json()["data"] == [
        {"email": "new@home.example", "primary": True, "verified": True}
    ]
    assert (sign_in("new@home.example", HERS).status_code, sign_in(VICTIM, HERS).status_code) == (200, 400)


def test_a_change_that_was_begun_before_a_new_password_ends_with_it(verification: str):
    token = signed_in(VICTIM, HERS)
    ask_for(TROJAN, token, HERS)

    change = {"current_password": HERS, "new_password": "a third zebra 1x"}
    assert call("POST", "account/password/change", change, token).status_code == 200

    assert confirm(TROJAN).status_code == 400
    assert of(VICTIM).check_password("a third zebra 1x")


def test_of_two_who_ask_for_one_address_the_first_to_confirm_has_it(verification: str):
    for email in (VICTIM, TROJAN):
        ask_for("new@home.example", signed_in(email, PASSWORD), PASSWORD)
    keys = [key for text in mails_to("new@home.example") for key in re.findall(r"/verify-email/(\S+)", text)]

    answers = [call("POST", "auth/email/verify", {"key": unquote(key)}).status_code for key in keys]

    assert (len(keys), answers[1]) == (2, 400)
    assert answers[0] in (200, 401)
    assert {user.email for user in User.objects.all()} == {"new@home.example", TROJAN}


def test_staff_that_were_made_in_the_admin_change_their_address_and_are_told(settings: Any):
    settings.ACCOUNT_EMAIL_VERIFICATION = "optional"
    UserFactory(email="staff@shop.example", is_staff=True)
    token = token_of(sign_in("staff@shop.example", PASSWORD))

    ask_for("new@shop.example", token, PASSWORD)
    confirm("new@shop.example")

    assert [user.email for user in User.objects.all()] == ["new@shop.example"]


def test_a_token_alone_changes_nothing_of_an_account(verification: str):
    thief = signed_in(VICTIM, HERS)
    before = len(mails_to(VICTIM))

    refused = [
        ask_for(TROJAN, thief),
        call("DELETE", "account/email", {"email": VICTIM}, thief),
        call("PATCH", "account/email", {"email": VICTIM, "primary": True}, thief),
        call("POST", "account/password/change", {"current_password": "", "new_password": HIS}, thief),
        call("POST", "auth/reauthenticate", {"password": HIS}, thief),
    ]

    assert [answer.status_code for answer in refused] == [401, 400, 401, 400, 400]
    assert refused[0].json()["data"]["flows"] == [{"id": "reauthenticate"}]
    assert refused[0].json()["meta"]["is_authenticated"] is True
    assert (mails_to(TROJAN), len(mails_to(VICTIM))) == ([], before)
    assert of(VICTIM).check_password(HERS)


def test_a_sign_in_of_five_minutes_ago_is_asked_for_again(settings: Any):
    settings.ACCOUNT_REAUTHENTICATION_TIMEOUT = 0
    token = signed_in(VICTIM, HERS)

    assert ask_for(TROJAN, token, HERS).status_code == 401


def test_the_address_that_an_account_had_is_told_of_the_change(verification: str):
    token = signed_in(VICTIM, HERS)
    ask_for("new@home.example", token, HERS)
    before = len(mails_to(VICTIM))

    confirm("new@home.example")

    (told,) = mails_to(VICTIM)[before:]
    assert "changed from victim@home.example to new@home.example" in " ".join(told.split())


def test_who_has_an_account_is_told_of_a_new_password(verification: str):
    token = signed_in(VICTIM, HERS)
    before = len(mails_to(VICTIM))

    call("POST", "account/password/change", {"current_password": HERS, "new_password": "a third zebra 1x"}, token)
    assert len(mails_to(VICTIM)) == before + 1
    reset(VICTIM, HERS)
    assert len(mails_to(VICTIM)) == before + 3


def sign_in_from(place: str, email: str, password: str) -> int:
    body = json.dumps({"email": email, "password": password})
    answer = Client(REMOTE_ADDR=place).post("/_allauth/app/v1/auth/login", body, content_type="application/json")
    return int(answer.status_code)


def test_a_stranger_who_guesses_locks_out_himself_and_nobody_else():
    UserFactory(email=VICTIM)
    guesses = [sign_in_from("203.0.113.7", VICTIM, "a guess") for _guess in range(8)]

    assert guesses == [400] * 5 + [429] * 3
    assert sign_in_from("203.0.113.7", VICTIM, PASSWORD) == 429
    assert sign_in_from("198.51.100.1", VICTIM, PASSWORD) == 200


def test_a_stranger_who_guesses_locks_no_staff_out_of_the_admin():
    UserFactory(email=VICTIM, is_staff=True)
    for _guess in range(8):
        sign_in_from("203.0.113.7", VICTIM, "a guess")

    form = {"username": VICTIM, "password": PASSWORD}
    answers = [Client(REMOTE_ADDR=place).post("/admin/login/", form) for place in ("203.0.113.7", "198.51.100.1")]

    assert [answer.status_code for answer in answers] == [200, 302]
    assert "Too many failed login attempts" in answers[0].content.decode()


def test_guesses_from_many_places_at_one_address_come_to_an_end(settings: Any):
    settings.ACCOUNT_RATE_LIMITS = settings.ACCOUNT_RATE_LIMITS | {"login_failed_anywhere": "20/d/key"}
    UserFactory(email=VICTIM)
    UserFactory(email=TROJAN)

    guesses = [sign_in_from(f"203.0.113.{place}", VICTIM.upper(), "a guess") for place in range(25)]

    assert guesses == [400] * 20 + [429] * 5
    assert sign_in_from("198.51.100.1", VICTIM, PASSWORD) == 429
    assert sign_in_from("198.51.100.1", TROJAN, PASSWORD) == 200


def test_no_place_comes_near_the_limit_of_an_address(settings: Any):
    limits = {name: ratelimit.parse_rates(rates) for name, rates in settings.ACCOUNT_RATE_LIMITS.items()}
    day = 24 * 60 * 60

    of_a_place = min(rate.amount * day / rate.duration for rate in limits["login_failed"] if rate.per == "key")
    (of_an_address,) = limits["login_failed_anywhere"]

    assert of_an_address.amount * day / of_an_address.duration >= 20 * of_a_place


def test_right_passwords_and_what_a_place_is_refused_do_not_count(settings: Any):
    settings.ACCOUNT_RATE_LIMITS = settings.ACCOUNT_RATE_LIMITS | {"login_failed_anywhere": "6/d/key"}
    UserFactory(email=VICTIM)

    for _guess in range(9):
        sign_in_from("203.0.113.7", VICTIM, "a guess")

    assert [sign_in_from(f"198.51.100.{place}", VICTIM, PASSWORD) for place in range(8)] == [200] * 8


def test_an_address_that_becomes_another_account_s_while_it_is_confirmed_is_refused(
    verification: str, monkeypatch: pytest.MonkeyPatch
):
    token = signed_in(VICTIM, HERS)
    signed_in(TROJAN, HIS)
    ask_for("new@home.example", token, HERS)
    look = AddressChange.is_taken
    looked: list[bool] = []

    def is_taken(self: AddressChange) -> bool:
        looked.append(found := look(self))
        if len(looked) == 1:
            EmailAddress.objects.create(user=of(TROJAN), email="new@home.example", verified=True, primary=False)
        return found

    monkeypatch.setattr(AddressChange, "is_taken", is_taken)

    answer = confirm("new@home.example")

    assert (answer.status_code, looked) == (400, [False, True])
    assert [error["code"] for error in answer.json()["errors"]] == ["email_taken"]
    assert of(VICTIM).email == VICTIM
