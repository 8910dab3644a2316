"""Mails about accounts leave while their request waits: a mail server that fails or says nothing costs few threads and no session."""

from __future__ import annotations

import json
from collections.abc import Iterator
from smtplib import SMTPServerDisconnected
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.core import mail
from django.core.cache import cache
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.test import Client

from shop import transactions
from shop.accounts import mailing
from shop.accounts.users import User
from shop.rest.sign_in_schema import PREFIX

ADA = {"email": "ada@shop.example", "password": "correct horse battery"}


class Away(BaseEmailBackend):
    def send_messages(self, email_messages: Any) -> int:
        raise SMTPServerDisconnected("ada@shop.example: Connection unexpectedly closed")


@pytest.fixture
def every_place_taken() -> Iterator[None]:
    for _each in range(mailing.MOST_AT_ONCE):
        assert mailing._places.acquire(blocking=False)
    yield
    mailing._places.release(mailing.MOST_AT_ONCE)


def call(path: str, body: dict[str, str]) -> Any:
    return Client().generic("POST", f"{PREFIX}{path}", json.dumps(body), "application/json")


def assert_told_to_come_again(answer: Any) -> None:
    assert (answer.status_code, answer["Content-Type"]) == (503, "application/problem+json")
    assert (answer.json()["code"], answer["Retry-After"]) == ("account_mail_unsent", "10")
    assert "ada@" not in answer.content.decode()


def test_a_sign_up_whose_mail_fails_is_503_and_its_mail_can_be_asked_for_again(database: None, settings: Any):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    working, settings.EMAIL_BACKEND = settings.EMAIL_BACKEND, f"{__name__}.Away"

    assert_told_to_come_again(call("/auth/signup", ADA))

    settings.EMAIL_BACKEND = working
    cache.clear()  # ten seconds later
    assert call("/auth/login", ADA).status_code == 401
    assert [each.to for each in mail.outbox] == [[ADA["email"]]]
    assert User.objects.filter(email=ADA["email"]).count() == 1


@pytest.mark.usefixtures("every_place_taken")
def test_whose_mail_would_wait_behind_too_many_is_told_at_once(database: None, settings: Any):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"

    assert_told_to_come_again(call("/auth/signup", ADA))

    assert mail.outbox == []


def test_no_session_is_held_while_the_mail_server_is_waited_for(
    database: None, settings: Any, monkeypatch: pytest.MonkeyPatch
):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    sent: list[int] = []
    monkeypatch.setattr(transactions, "go_outside", lambda: sent.append(len(mail.outbox)))

    assert call("/auth/signup", ADA).status_code == 401

    assert (sent, len(mail.outbox)) == ([0], 1)


def test_the_end_of_a_worker_s_time_is_not_taken_for_a_mail_server_that_fails(monkeypatch: pytest.MonkeyPatch):
    message = EmailMessage("subject", "text", to=["ada@shop.example"])

    def out_of_time(*_args: Any, **_options: Any) -> None:
        raise SoftTimeLimitExceeded

    monkeypatch.setattr(message, "send", out_of_time)

    for _more_than_there_are_places in range(mailing.MOST_AT_ONCE + 1):
        with pytest.raises(SoftTimeLimitExceeded):
            mailing.send(message)
