"""What the bus keeps for orders: facts on their way out, facts of the past, and those of others."""

from __future__ import annotations

from shop.events.inbox import InboxEntry
from shop.events.outbox import OutboxMessage
from shop.events.past import HistoryEntry, WatermarkRow


class Outbox(OutboxMessage):
    """Facts of orders on their way out."""

    class Meta(OutboxMessage.Meta):
        verbose_name_plural = "outbox"


class History(HistoryEntry):
    """Facts of orders that the outbox has let go of; triggers refuse UPDATE and DELETE."""

    class Meta(HistoryEntry.Meta):
        verbose_name_plural = "history"


class Watermark(WatermarkRow):
    """Since when orders has all of its facts."""

    class Meta(WatermarkRow.Meta):
        pass


class Inbox(InboxEntry):
    """Facts of others as orders applied them."""

    class Meta(InboxEntry.Meta):
        verbose_name_plural = "inbox"
