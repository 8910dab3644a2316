"""Which of this machine's addresses a process of a container listens on."""

from __future__ import annotations

import socket


def any_address() -> str:
    """Return the address that means all of this machine's: of IPv6 and IPv4 where one socket hears both, else of IPv4."""
    try:
        with socket.socket(socket.AF_INET6) as heard:
            if heard.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY):
                return "0.0.0.0"  # noqa: S104  # nosec B104  a container's port
            heard.bind(("::", 0))
    except OSError:
        return "0.0.0.0"  # noqa: S104  # nosec B104  a container's port
    return "::"
