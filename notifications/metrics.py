"""What Prometheus counts of notifications."""

from __future__ import annotations

from prometheus_client import Counter

WITHHELD = Counter("shop_emails_withheld", "Emails about unpaid orders beyond what one mailbox gets")
