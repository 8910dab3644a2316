"""Email addresses that mail reaches: one rule for orders, sign-up and the admin."""

from __future__ import annotations

from contextlib import suppress

from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator

from shop.text import clean_line

# Django takes a host without a dot where it is named; no mail reaches one.
_validate_mail_address = EmailValidator(allowlist=[])
# They deliver to one mailbox however many dots its name has.
_IGNORE_DOTS = frozenset({"gmail.com", "googlemail.com"})


def clean_mail_address(text: str) -> str:
    """Return an email address as it is kept: one that a mail can be sent to. Raises: ValidationError."""
    try:
        address = clean_line(text)
        address.rpartition("@")[2].encode("idna")  # as the mail will be; a ValueError where that cannot be
    except ValueError as error:
        raise ValidationError(_validate_mail_address.message, code="invalid") from error
    if not address.isprintable() or address.endswith("]"):  # an IP address is not a domain
        raise ValidationError(_validate_mail_address.message, code="invalid")
    _validate_mail_address(address)
    return address


def same_mailbox(email: str) -> str:
    """Return an email address without what does not change the mailbox: capitals, a part behind +, dots at Gmail.

    Its domain is as the mail server is asked for: whoever writes it in full-width letters, or as xn--, has one mailbox.
    """
    name, _at, domain = email.casefold().rpartition("@")
    if not domain.isascii():
        with suppress(UnicodeError):  # of an address that no mail can be sent to
            domain = domain.encode("idna").decode("ascii").casefold()
    name = name.partition("+")[0]
    return f"{name.replace('.', '') if domain in _IGNORE_DOTS else name}@{domain}"
