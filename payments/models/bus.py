"""What the bus keeps for payments: facts on their way out, and facts of the past."""

from __future__ import annotations

from shop.events.outbox import OutboxMessage
from shop.events.past import HistoryEntry, WatermarkRow


class Outbox(OutboxMessage):
    """What payments has told the others."""

    class Meta(OutboxMessage.Meta):
        verbose_name_plural = "outbox"


class History(HistoryEntry):
    """Facts of payments that the outbox has let go of; triggers refuse UPDATE and DELETE."""

    class Meta(HistoryEntry.Meta):
        verbose_name_plural = "history"


class Watermark(WatermarkRow):
    """Since when payments has all of its facts."""

    class Meta(WatermarkRow.Meta):
        pass
