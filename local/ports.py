"""Loopback ports for servers that are started here."""

import random
import socket
from typing import Final

HOST: Final = "127.0.0.1"
# Below the ports that Linux and macOS hand to outgoing connections: a server that is away for a moment finds its port
# free when it comes back, and nobody who tries to reach it meanwhile connects to themselves.
PORTS: Final = range(20_000, 30_000)


def free_port() -> int:
    """Return a port that nothing listens on. Raises: OSError where there is none."""
    # Whoever seeds the common generator, as a test runner does in each of its processes, must not have all draw alike.
    for port in random.SystemRandom().sample(PORTS, 200):
        if is_free(port):
            return port
    raise OSError(f"no free port on {HOST} between {PORTS.start} and {PORTS.stop}")


def is_free(port: int) -> bool:
    """Tell whether nothing listens on a port and a server could."""
    with socket.socket() as server, socket.socket() as client:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind((HOST, port))
        except OSError:
            return False
        # A bound socket that doesn't listen refuses; whoever answers has the same port on every address.
        return client.connect_ex((HOST, port)) != 0
