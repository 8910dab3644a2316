"""What is read of a page of intents; msgspec skips the rest of the text, four fifths of what a page costs as dicts.

Members are read by name, as those of a dict are: what an intent says is the same from a list and from an answer about it.
"""

from __future__ import annotations

from typing import Any

import msgspec


class _Members(msgspec.Struct, gc=False):
    """An object of which these members are read; one that the text does not have is None."""

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)


class _Metadata(_Members):
    installation: Any = None
    order_id: Any = None


class _Charge(_Members):
    amount_refunded: Any = None


class _Failure(_Members):
    code: Any = None
    decline_code: Any = None


class _NextAction(_Members):
    type: Any = None


class _Intent(_Members, kw_only=True):
    id: str
    status: str
    amount: int
    currency: str
    created: int
    livemode: bool
    amount_received: int | None = None
    client_secret: Any = None
    metadata: _Metadata | None = None
    latest_charge: _Charge | str | None = None
    last_payment_error: _Failure | None = None
    next_action: _NextAction | None = None


class _Intents(_Members):
    data: list[_Intent]
    has_more: bool


decode_intents = msgspec.json.Decoder(_Intents).decode
decode_plain = msgspec.json.Decoder().decode
