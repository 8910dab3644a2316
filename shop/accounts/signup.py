"""What signing up insists on beyond django-allauth's own checks, and in whose name its mails come."""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import make_msgid, parseaddr
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.internal import ratelimit
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.http import HttpRequest

from shop.accounts import mailing, mails
from shop.accounts.attempts import ANYWHERE, APP, HERE, note_wait
from shop.accounts.guests import GUEST_DOMAIN
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


def _address_in(credentials: dict[str, Any]) -> str:
    return str(credentials.get("email", "")).lower()


def _forget_unconfirmed(email: str) -> None:
    """Delete what an earlier release noted of an address that an account asked for: unconfirmed, it is nobody's."""
    from allauth.account.models import EmailAddress  # noqa: PLC0415  it imports this module

    noted = EmailAddress.objects.filter(email=email.lower(), verified=False).select_related("user")
    for address in noted:
        if address.user.email.lower() != address.email:
            address.delete()


class AccountAdapter(DefaultAccountAdapter):
    """Django-allauth's hooks (ACCOUNT_ADAPTER names this class).

    # Note [Wrong passwords]
    They are counted by address and place together, so that a stranger locks out nobody but himself; by place alone; and by
    address alone, with a limit that is far above what one place can reach. What a place is refused counts for nothing else.
    """

    def clean_email(self, email: str) -> str:
        """Refuse an address that no mail reaches, or that holds a card number. Raises: ValidationError."""
        refuse_card_number(email)
        cleaned: str = super().clean_email(clean_mail_address(email))
        if cleaned.lower().endswith(f"@{GUEST_DOMAIN}"):
            raise self.validation_error("email_taken")
        _forget_unconfirmed(cleaned)
        return cleaned

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Count a sign-in until its password proves right; see Note [Wrong passwords]. Raises: ValidationError."""
        try:
            self._count_attempt(request, **credentials)
        except ValidationError:
            here = self._get_login_attempts_cache_key(request, **credentials)
            note_wait(request, keys={HERE: here, ANYWHERE: _address_in(credentials)})
            raise

    def _count_attempt(self, request: HttpRequest, **credentials: Any) -> None:
        super().pre_authenticate(request, **credentials)
        everywhere = ratelimit.consume(request, app=APP, action=ANYWHERE, key=_address_in(credentials))
        here = self._login_failed_rl_usage
        if here is None or everywhere is None:
            self._rollback_login_failed_rl_usage()
            raise self.validation_error("too_many_login_attempts")
        here.usage.extend(everywhere.usage)

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        return f"{ratelimit.get_ip(request)} {_address_in(credentials)}"

    def _delete_login_attempts_cached_email(self, request: HttpRequest, **credentials: Any) -> None:
        super()._delete_login_attempts_cached_email(request, **credentials)
        ratelimit.clear(request, app=APP, action=ANYWHERE, key=_address_in(credentials))

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send a mail now. Raises: AccountMailUnsent."""
        mailing.send(self.render_mail(template_prefix, email, {"email": email, **context}))

    def render_mail(self, template_prefix: str, email: Any, context: Any, headers: Any = None) -> EmailMessage:
        """Return the finished mail: in the shop's words, from the shop, and with an id that holds the shop's domain."""
        ours = {"Message-ID": make_msgid(domain=sender().domain), "Auto-Submitted": "auto-generated"}
        written = mails.write(template_prefix, known=context, shop_name=sender().name)
        built = EmailMultiAlternatives(
            subject=written.subject,
            body=written.text,
            from_email=self.get_from_email(),
            to=[email] if isinstance(email, str) else email,
            headers=ours | (headers or {}),
        )
        built.attach_alternative(written.html, "text/html")
        return built
