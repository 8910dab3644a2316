"""The running shop."""

from __future__ import annotations

import re
import time
from email import message_from_string, policy
from pathlib import Path

from tests.browser.chromium import PATIENCE_SECONDS


class Shop:
    """Where the shop is, and where its mails are."""

    def __init__(self, url: str, home: Path) -> None:
        self.url = url
        self.home = home

    def link_mailed_to(self, address: str, *, to: str = "orders") -> str:
        """Return the link to an order, or to another page, of the newest mail to somebody; wait until it is sent."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            for path in sorted((self.home / "mail").glob("*"), reverse=True):
                mail = message_from_string(path.read_text(), policy=policy.default)
                if mail["To"] == address and (body := mail.get_body(("plain",))):
                    return re.findall(rf"\S+/{to}/\S+", body.get_content())[0]
            assert time.monotonic() < deadline, f"no mail to {address}"
            time.sleep(0.05)
