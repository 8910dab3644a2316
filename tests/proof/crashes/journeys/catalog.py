"""Every journey."""

from __future__ import annotations

from tests.proof.crashes.journeys.afterwards import Erase, Refund, RefundInPart, Ship
from tests.proof.crashes.journeys.disputed import DisputeLost, DisputeOpened, DisputeWon
from tests.proof.crashes.journeys.journey import Journey
from tests.proof.crashes.journeys.paying import AnotherCard, Cancel, Challenge, Expiry, ExpiryOfChallenge, MoreTime
from tests.proof.crashes.journeys.placing import Confirm, Decline, LastUse, LastUseDeclined, NothingToPay, TakenAlong

JOURNEYS: tuple[type[Journey], ...] = (
    Confirm,
    LastUse,
    NothingToPay,
    LastUseDeclined,
    TakenAlong,
    Decline,
    AnotherCard,
    MoreTime,
    Cancel,
    Expiry,
    ExpiryOfChallenge,
    Challenge,
    Refund,
    RefundInPart,
    Ship,
    Erase,
    DisputeOpened,
    DisputeWon,
    DisputeLost,
)
