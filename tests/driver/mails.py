"""What the shop's mails say."""

from __future__ import annotations

from django.core.mail import EmailMessage, EmailMultiAlternatives


def text_of(letter: EmailMessage) -> str:
    """Return its plain text."""
    return str(letter.body)


def html_of(letter: EmailMessage) -> str:
    """Return the HTML that it brings beside its text."""
    assert isinstance(letter, EmailMultiAlternatives)
    [(html, kind)] = letter.alternatives
    assert kind == "text/html"
    return str(html)
