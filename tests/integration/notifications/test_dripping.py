"""A mail server that drips its answers holds a worker up for no longer than one sending may take, and the mail is tried again."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from notifications.models import Email
from notifications.services import sending
from shop import smtp
from tests.driver.dripping import dripping


@pytest.mark.usefixtures("long_backoff")
def test_an_email_whose_server_drips_is_tried_again_and_the_log_tells_why(
    queued_email: Callable[..., Email],
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    email = queued_email()
    monkeypatch.setattr(smtp, "SENDING_SECONDS", 0.2)
    settings.EMAIL_BACKEND, settings.EMAIL_HOST = "shop.smtp.EmailBackend", "127.0.0.1"

    with dripping([b"220 mail.example\r\n"]) as server, caplog.at_level(logging.WARNING):
        settings.EMAIL_PORT = server.port
        assert sending.send_due_emails() == 1

    email.refresh_from_db()
    assert (email.status, email.attempts) == ("PENDING", 1)
    assert "not over within 0.2 s" in email.last_error
    assert "work.postponed" in caplog.text
    assert "not over within 0.2 s" in caplog.text
