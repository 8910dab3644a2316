"""Which addresses a process listens on, with IPv6 and without."""

from __future__ import annotations

import socket
from typing import Any, Self

import pytest

from shop.serving import any_address


class Socket:
    """A socket of a machine whose IPv6 sockets hear IPv6 only, where `only_ipv6`; else it has no IPv6."""

    only_ipv6 = True

    def __init__(self, _family: int) -> None:
        if not self.only_ipv6:
            raise OSError("Address family not supported by protocol")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        """Close nothing."""

    def getsockopt(self, _level: int, _option: int) -> int:
        return 1


@pytest.mark.parametrize("only_ipv6", [True, False])
def test_where_no_socket_hears_both_ipv4_is_heard(monkeypatch: pytest.MonkeyPatch, only_ipv6: bool):
    found: Any = type("Found", (Socket,), {"only_ipv6": only_ipv6})
    monkeypatch.setattr(socket, "socket", found)

    assert any_address() == "0.0.0.0"
