"""Mails about accounts: each kind that django-allauth can send is in the shop's words, as text and as HTML."""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import allauth
import pytest
from allauth.account.adapter import get_adapter
from django.core.mail import EmailMultiAlternatives

from shop.accounts import mails

LINK = "https://shop.example/account/verify-email/a-key"
KNOWN = {
    "activate_url": LINK,
    "password_reset_url": LINK,
    "signup_url": LINK,
    "from_email": "old@shop.example",
    "to_email": "new@shop.example",
    "deleted_email": "old@shop.example",
    "timestamp": datetime(2026, 11, 5, 9, 30, tzinfo=UTC),
    "ip": "192.0.2.7",
    "user_agent": "Call https://evil.example at once",
}
CODES = {"account/email/login_code", "account/email/password_reset_code"}


def kinds_of_allauth() -> set[str]:
    templates = Path(allauth.__file__).parent / "templates"
    return {
        found.relative_to(templates).as_posix().removesuffix("_subject.txt")
        for found in templates.glob("*/email/*_subject.txt")
    }


def rendered(kind: str, **more: Any) -> EmailMultiAlternatives:
    known = KNOWN | more | ({"code": "7KX-2PM"} if kind in CODES else {})
    letter = get_adapter().render_mail(kind, "ada@shop.example", known)
    assert isinstance(letter, EmailMultiAlternatives)
    return letter


def test_every_mail_that_allauth_can_send_is_written_by_the_shop():
    assert kinds_of_allauth() == set(mails.MAILS)


def test_a_mail_that_nobody_has_written_is_not_sent_in_other_words():
    with pytest.raises(mails.UnwrittenMail):
        rendered("account/email/base")


@pytest.mark.parametrize("kind", sorted(mails.MAILS))
def test_a_mail_has_the_shops_layout_and_voice_in_both_parts(kind: str, settings: Any, monkeypatch: pytest.MonkeyPatch):
    settings.DEFAULT_FROM_EMAIL = "Mugs & More <orders@mugs.example>"
    monkeypatch.setattr(
        "allauth.account.adapter.render_to_string", lambda name, *_: pytest.fail(f"{name} is allauth's")
    )

    letter = rendered(kind)

    [(html, content_type)] = letter.alternatives
    text, html = str(letter.body), str(html)
    assert (content_type, letter.from_email, letter.to) == (
        "text/html",
        settings.DEFAULT_FROM_EMAIL,
        ["ada@shop.example"],
    )
    assert letter.extra_headers["Message-ID"].endswith("@mugs.example>")
    assert text.startswith("Hello,\n\n")
    assert text.endswith("Questions? Just reply to this email.\n\nMugs & More\n")
    assert "Mugs &amp; More" in html
    assert f"<title>{letter.subject}</title>" in html
    for part in (text, html):
        assert not re.search(r"[{}]|evil|\n\n\n", part.partition("</head>")[2] or part)
    assert all(len(line) < 80 or LINK in line for line in text.splitlines())
    mail = mails.MAILS[kind]
    assert (LINK in text, f'href="{LINK}"' in html) == (bool(mail.link), bool(mail.link))
    assert ("7KX-2PM" in text, "7KX-2PM" in html) == (kind in CODES, kind in CODES)
    assert ("192.0.2.7" in text) == mail.tells_change


def test_no_two_mails_have_one_subject():
    subjects = defaultdict(list)
    for kind, mail in mails.MAILS.items():
        subjects[mail.subject].append(kind)

    assert [kinds for kinds in subjects.values() if len(kinds) > 1] == []


def test_a_code_stands_in_the_place_of_a_link():
    letter = rendered("account/email/email_confirmation_signup", code="7KX-2PM")

    assert "7KX-2PM" in str(letter.body)
    assert LINK not in str(letter.body)


def test_a_change_says_what_when_and_from_where():
    text = " ".join(str(rendered("account/email/email_changed").body).split())

    assert "was changed from old@shop.example to new@shop.example." in text
    assert "on November 5, 2026 at 09:30 UTC from the network address 192.0.2.7." in text
