"""The mail server, through Django's email backend (EMAIL_URL chooses it). Never called inside a transaction."""

from __future__ import annotations

from dataclasses import dataclass, field
from email.utils import parseaddr
from smtplib import SMTPDataError, SMTPRecipientsRefused
from uuid import UUID

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.core import mail
from django.core.exceptions import ValidationError
from django.core.mail.message import BadHeaderError
from django.core.validators import validate_email

from notifications.rules import without_addresses
from shop import transactions
from shop.errors import Fault, Refusal
from shop.observability import tracing

PERMANENT = range(500, 600)  # RFC 5321, section 4.2.1: the same command is refused again


@dataclass(frozen=True)
class Message:
    """One finished email. The address is never shown, logged or stored."""

    email_id: UUID
    order_id: UUID
    to: str = field(repr=False)
    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)


class EmailUndeliverable(Refusal):
    """This address takes no mail, or not this one: trying again does not help."""

    code = "email_undeliverable"
    title = "The email cannot be delivered"


class MailServerUnavailable(Fault):
    """The mail server did not take the email; whether it sent it all the same is unknown."""

    code = "mail_server_unavailable"
    title = "The mail server did not take the email"


def message_id(email_id: UUID) -> str:
    """Return the Message-ID of an email: always the same, so that mail systems can fold a copy sent twice."""
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "shop.invalid"
    return f"<{email_id}@{domain}>"


def send(message: Message) -> None:
    """Hand one email to the mail server, within the time limits of the backend (shop/smtp.py).

    Raises: EmailUndeliverable, MailServerUnavailable; neither shows the address.
    """
    transactions.go_outside()
    try:
        validate_email(message.to)
        with tracing.private_call_span("mail send", email_id=str(message.email_id), order_id=str(message.order_id)):
            _build(message).send()
    except SoftTimeLimitExceeded:
        raise  # our worker is out of time, which says nothing about the mail server
    except Exception as error:  # noqa: BLE001  the boundary to every kind of backend; raised again as one of ours
        # Mail services' backends raise errors of their own; what is not surely for good is tried again.
        raised = EmailUndeliverable if _is_permanent(error) else MailServerUnavailable
        raise raised(_described(error)) from None


def _build(message: Message) -> mail.EmailMultiAlternatives:
    built = mail.EmailMultiAlternatives(
        subject=message.subject,
        body=message.text,
        to=[message.to],
        headers=_headers(message),
    )
    built.attach_alternative(message.html, "text/html")
    return built


def _headers(message: Message) -> dict[str, str]:
    headers = {"Message-ID": message_id(message.email_id), "Auto-Submitted": "auto-generated"}
    if trace_id := tracing.current_trace_id():
        headers["X-Trace-ID"] = trace_id  # under which the logs tell what led to it
    return headers


def _is_permanent(error: Exception) -> bool:
    """Return whether this recipient or this mail is refused for good; a refused login or sender is our own trouble."""
    match error:
        case ValidationError() | BadHeaderError():
            return True
        case SMTPRecipientsRefused():
            return all(code in PERMANENT for code, _text in error.recipients.values())
        case SMTPDataError():
            return error.smtp_code in PERMANENT
        case _:
            return False


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {without_addresses(str(error))}"[:500]
