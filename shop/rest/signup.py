"""What signing up insists on beyond django-allauth's own checks, and in whose name its mails come."""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import make_msgid, parseaddr
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.core.mail import EmailMessage

from shop.cards import refuse_card_number
from shop.mail_address import clean_mail_address


@dataclass(frozen=True)
class Sender:
    """The shop as DEFAULT_FROM_EMAIL names it; a request's host names whatever its caller wrote into it."""

    name: str
    domain: str


def sender() -> Sender:
    """Return in whose name mails about accounts come."""
    name, address = parseaddr(settings.DEFAULT_FROM_EMAIL)
    return Sender(name or "The shop", address.rpartition("@")[2] or "shop.invalid")


def _forget_unconfirmed(email: str) -> None:
    """Delete what an earlier release noted of an address that an account asked for: unconfirmed, it is nobody's."""
    from allauth.account.models import EmailAddress  # imports the adapter

    noted = EmailAddress.objects.filter(email=email.lower(), verified=False).select_related("user")
    for address in noted:
        if address.user.email.lower() != address.email:
            address.delete()


class AccountAdapter(DefaultAccountAdapter):
    """Django-allauth's hooks (ACCOUNT_ADAPTER names this class)."""

    def clean_email(self, email: str) -> str:
        """Refuse an address that no mail reaches, or that holds a card number. Raises: ValidationError."""
        refuse_card_number(email)
        cleaned: str = super().clean_email(clean_mail_address(email))
        _forget_unconfirmed(cleaned)
        return cleaned

    def format_email_subject(self, subject: str) -> str:
        """Return the subject with the shop's name before it."""
        return f"[{sender().name}] {subject}"

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send a mail in the shop's name."""
        super().send_mail(template_prefix, email, context | {"current_site": sender()})

    def render_mail(self, template_prefix: str, email: Any, context: Any, headers: Any = None) -> EmailMessage:
        """Return the finished mail, whose id holds the shop's domain."""
        ours = {"Message-ID": make_msgid(domain=sender().domain), "Auto-Submitted": "auto-generated"}
        rendered: EmailMessage = super().render_mail(template_prefix, email, context, headers=ours | (headers or {}))
        return rendered
