"""Django's mail by SMTP, with a time limit for all of a sending: connecting, TLS, the dialogue and the goodbye."""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from django.core.mail import EmailMessage
from django.core.mail.backends import smtp

from shop import deadlines

# Far below CELERY_TASK_SOFT_TIME_LIMIT and the lease of an email: a server that drips its answers holds no worker up for longer.
SENDING_SECONDS = 30.0


class EmailBackend(smtp.EmailBackend):
    """Django's, whose EMAIL_TIMEOUT holds for each wait alone: a server that sends a byte now and then never meets it.

    A mail that the server took in time counts as sent, however slowly the server says goodbye.
    """

    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        """The client of the kind of server that is configured."""
        return _Encrypted if self.use_ssl else _Plain

    @cached_property
    def ssl_context(self) -> ssl.SSLContext:
        """Django's, for sockets that keep the limit."""
        return deadlines.encrypted(super().ssl_context)

    def open(self) -> bool | None:
        """Connect within the limit. Raises: OSError, smtplib's errors among them."""
        with deadlines.within(SENDING_SECONDS, each=self.timeout):
            return super().open()

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Send these within the limit. Raises: OSError, smtplib's errors among them."""
        with deadlines.within(SENDING_SECONDS, each=self.timeout):
            return super().send_messages(email_messages)


class _Plain(smtplib.SMTP):
    def _get_socket(self, host: str, port: int, _timeout: Any) -> socket.socket:
        return deadlines.connect((host, port))


class _Encrypted(smtplib.SMTP_SSL, _Plain):
    """Gets its socket from the one above, and encrypts it."""
