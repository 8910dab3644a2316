"""What the relay asks of a transport."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from shop.events.event import Envelope


class TransportUnavailable(Exception):
    """The broker cannot be reached or does not answer: nothing of the batch counts as sent, all of it is tried again."""


class Transport(Protocol):
    """Carries envelopes to their subscribers."""

    def send(self, envelopes: Sequence[Envelope]) -> Sequence[str]:
        """Carry each envelope to all its subscribers; return one error text per envelope, "" where it arrived.

        Raises: TransportUnavailable where no answer tells what arrived.
        """
        ...
