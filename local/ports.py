"""Loopback ports for servers that are started here."""

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path
from typing import Final

HOST: Final = "127.0.0.1"
# Below the ports that Linux and macOS hand to outgoing connections: a server that is away for a moment finds its port
# free when it comes back, and nobody who tries to reach it meanwhile connects to themselves.
PORTS: Final = range(20_000, 30_000)


# Of the ports that this process has drawn; the files stay open, and so locked, for as long as it lives.
_drawn: list[int] = []


def free_port() -> int:
    """Return a port that nothing listens on, and that nobody else draws while this process lives.

    Raises: OSError where there is none.
    """
    # Whoever seeds the common generator, as a test runner does in each of its processes, must not have all draw alike.
    for port in random.SystemRandom().sample(PORTS, 200):
        if _draw(port) and is_free(port):
            return port
    raise OSError(f"no free port on {HOST} between {PORTS.start} and {PORTS.stop}")


def _draw(port: int) -> bool:
    """Return whether this process is the first to draw a port. Its server may need a while until it listens."""
    folder = Path(tempfile.gettempdir()) / f"shop-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    file = os.open(folder / str(port), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return False
    _drawn.append(file)
    return True


def is_free(port: int) -> bool:
    """Return whether nothing listens on a port and a server could."""
    with socket.socket() as server, socket.socket() as client:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind((HOST, port))
        except OSError:
            return False
        # A bound socket that doesn't listen refuses; whoever answers has the same port on every address.
        return client.connect_ex((HOST, port)) != 0
