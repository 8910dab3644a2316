"""The mails about accounts, in the shop's words and layout: each kind that django-allauth can send has a line here.

One that is missing is refused: allauth's own text never reaches a customer. A test holds the table against allauth's templates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.template.loader import render_to_string


@dataclass(frozen=True)
class Written:
    """A finished mail: its subject, and its text as plain text and as HTML."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True)
class AccountMail:
    """A kind of mail. `text` may name members of what allauth knows of it, such as {email}, and stands in one or more paragraphs.

    `link`: what leads on, in words, and the member that holds it; a mail with a code shows that in its place. `afterwards` stands
    in small print behind it. `tells_change`: of a change of the account, so that it says when and from where it was made.
    """

    subject: str
    text: tuple[str, ...]
    link: tuple[str, str] | None = None
    afterwards: tuple[str, ...] = ()
    tells_change: bool = False


_UNASKED = "If you did not ask for this, you can ignore this email: nothing changes."
_ENTER = "Enter this code in the window that you opened."
_NOT_YOU = "If this was not you, set a new password and tell us at once: reply to this email."
_CONFIRM = AccountMail(
    "Please confirm your email address",
    ("Please confirm that this email address is yours.",),
    ("Confirm this address", "activate_url"),
    ("If you have no account with us and did not ask for this, you can ignore this email.",),
)


def _change(subject: str, *text: str) -> AccountMail:
    return AccountMail(subject, text, afterwards=(_NOT_YOU,), tells_change=True)


# By what allauth calls them.
MAILS: Mapping[str, AccountMail] = {
    "account/email/email_confirmation": _CONFIRM,
    "account/email/email_confirmation_signup": AccountMail(
        "Welcome: please confirm your email address",
        (
            "Somebody, probably you, has made an account with us for this email address. Please confirm that it is yours.",
        ),
        _CONFIRM.link,
        _CONFIRM.afterwards,
    ),
    "account/email/account_already_exists": AccountMail(
        "You already have an account",
        (
            "Somebody, probably you, wanted to make an account for this email address, and you have one already.",
            "If you have forgotten your password, you can set a new one.",
        ),
        ("Set a new password", "password_reset_url"),
        (_UNASKED,),
    ),
    "account/email/unknown_account": AccountMail(
        "You have no account with us yet",
        ("Somebody, probably you, wanted to sign in with this email address, for which there is no account.",),
        ("Make an account", "signup_url"),
        (_UNASKED,),
    ),
    "account/email/password_reset_key": AccountMail(
        "Set a new password",
        ("Somebody, probably you, asked for a new password for your account.",),
        ("Set a new password", "password_reset_url"),
        (_UNASKED,),
    ),
    "account/email/password_reset_code": AccountMail(
        "Your code for a new password",
        ("Somebody, probably you, asked for a new password for your account.", _ENTER),
        afterwards=(_UNASKED,),
    ),
    "account/email/login_code": AccountMail("Your code to sign in", (_ENTER,), afterwards=(_UNASKED,)),
    "account/email/email_changed": _change(
        "Your email address was changed",
        "The email address of your account was changed from {from_email} to {to_email}.",
    ),
    "account/email/email_confirm": _change("Your email address is confirmed", "Your email address was confirmed."),
    "account/email/email_deleted": _change(
        "An email address was removed", "The email address {deleted_email} was removed from your account."
    ),
    "account/email/password_changed": _change("Your password was changed", "The password of your account was changed."),
    "account/email/password_reset": _change("Your password was set anew", "The password of your account was set anew."),
    "account/email/password_set": _change("Your password was set", "Your account has a password now."),
    "mfa/email/totp_activated": _change(
        "An authenticator app was added", "To sign in, your account now also asks for a code of your authenticator app."
    ),
    "mfa/email/totp_deactivated": _change(
        "Your authenticator app was removed",
        "To sign in, your account no longer asks for a code of an authenticator app.",
    ),
    "mfa/email/recovery_codes_generated": _change(
        "New recovery codes were made", "Your account has new recovery codes. The ones before them are no longer valid."
    ),
    "mfa/email/webauthn_added": _change("A security key was added", "A security key was added to your account."),
    "mfa/email/webauthn_removed": _change(
        "A security key was removed", "A security key was removed from your account."
    ),
    "socialaccount/email/account_connected": _change(
        "A way to sign in was added", "Your account can now also be signed in to by an account elsewhere."
    ),
    "socialaccount/email/account_disconnected": _change(
        "A way to sign in was removed", "Your account can no longer be signed in to by an account elsewhere."
    ),
}


class UnwrittenMail(LookupError):
    """Allauth wants to send a mail that the shop has no words for."""


def write(template_prefix: str, *, known: Mapping[str, Any], shop_name: str) -> Written:
    """Return the mail that allauth calls so; `known` is what allauth knows of it. Raises: UnwrittenMail."""
    try:
        mail = MAILS[template_prefix]
    except KeyError:
        raise UnwrittenMail(template_prefix) from None
    code = known.get("code", "")
    context = {
        "subject": mail.subject,
        "shop_name": shop_name,
        "greeting": "Hello",
        "paragraphs": [*(text.format_map(known) for text in mail.text), *([_ENTER] if code and mail.link else [])],
        "code": code,
        "link_words": mail.link[0] if mail.link else "",
        "link": known[mail.link[1]] if mail.link and not code else "",
        "afterwards": [*mail.afterwards, *([_origin(known["timestamp"], known["ip"])] if mail.tells_change else [])],
    }
    return Written(
        subject=mail.subject,
        text=render_to_string("shop/account_mail.txt", context),
        html=render_to_string("shop/account_mail.html", context),
    )


def _origin(at: datetime, ip: str) -> str:
    """Return when and from where a change was made; the browser's name is left out, which its caller may write."""
    return f"The change was made on {at:%B} {at.day}, {at:%Y at %H:%M} UTC from the network address {ip}."
