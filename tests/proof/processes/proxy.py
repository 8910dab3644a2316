"""A TCP proxy in front of a server, which makes the network between a client and that server as bad as it is told.

It runs in a thread with an event loop of its own. What it can do to connections is what networks do: reset them, let
nothing through any more (half-open: a connection stands, and no byte passes), slow them, refuse new ones.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeVar

HOST: Final = "127.0.0.1"
CHUNK: Final = 65_536
RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
CONTROL_SECONDS: Final = 30

Result = TypeVar("Result")


class Proxy:
    """Forwards from `port` to the port that `upstream` names at that moment."""

    def __init__(self, upstream: Callable[[], int], *, port: int = 0) -> None:
        self._upstream = upstream
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._open = asyncio.Event()
        self._refuses = False
        self._delay_seconds = 0.0
        self._listener = socket.create_server((HOST, port))
        self._listener.setblocking(False)  # noqa: FBT003  its own signature
        self.port: int = self._listener.getsockname()[1]
        self._open.set()
        self._thread.start()
        self._tell(self._begin())

    def reset(self) -> int:
        """Reset every connection (RST, not FIN) in both directions; return how many there were."""
        return self._tell(self._reset())

    def freeze(self) -> None:
        """Let no byte through any more; new connections are accepted and hear nothing either."""
        self._tell(self._set(frozen=True))

    def thaw(self) -> None:
        """Let through again, what was held first."""
        self._tell(self._set(frozen=False))

    def refuse(self) -> None:
        """Reset every connection, and each new one as it comes."""
        self._refuses = True
        self.reset()

    def delay(self, seconds: float) -> None:
        """Hold each piece that passes for so long."""
        self._delay_seconds = seconds

    def heal(self) -> None:
        """Be a plain forwarder again."""
        self._refuses, self._delay_seconds = False, 0.0
        self.thaw()

    def close(self) -> None:
        """End every connection and the proxy."""
        self._tell(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _tell(self, what: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(CONTROL_SECONDS)

    async def _begin(self) -> None:
        self._keep(self._accept())

    async def _end(self) -> None:
        self._open.set()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._listener.close()

    async def _set(self, *, frozen: bool) -> None:
        (self._open.clear if frozen else self._open.set)()

    async def _reset(self) -> int:
        links = list(self._links)
        for link in links:
            link.reset()
        return len(links)

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self) -> None:
        while True:
            client, _address = await self._loop.sock_accept(self._listener)
            link = _Link(client)
            if self._refuses:
                link.reset()
            else:
                self._keep(self._carry(link))

    async def _carry(self, link: _Link) -> None:
        self._links.add(link)
        try:
            await self._open.wait()
            if not link.is_broken:
                await link.connect(self._upstream())
                await link.carry(self._pass)
        except OSError:
            link.reset()
        finally:
            self._links.discard(link)
            link.close()

    async def _pass(self) -> None:
        """Return once a piece may go on."""
        if self._delay_seconds:
            await asyncio.sleep(self._delay_seconds)
        await self._open.wait()


class _Link:
    """One connection of a client and ours to the server."""

    def __init__(self, client: socket.socket) -> None:
        client.setblocking(False)  # noqa: FBT003  its own signature
        self._sockets = [client]
        self._broken = asyncio.Event()

    @property
    def is_broken(self) -> bool:
        return self._broken.is_set()

    async def connect(self, port: int) -> None:
        server = socket.socket()
        server.setblocking(False)  # noqa: FBT003  its own signature
        self._sockets.append(server)
        await asyncio.get_running_loop().sock_connect(server, (HOST, port))

    async def carry(self, may_pass: Callable[[], Awaitable[None]]) -> None:
        """Carry both ways until both ends have said all, or one is gone."""
        client, server = self._sockets
        ways = {
            asyncio.ensure_future(_pump(source, sink, may_pass))
            for source, sink in ((client, server), (server, client))
        }
        broken = asyncio.ensure_future(self._broken.wait())
        try:
            while ways and not broken.done():
                done, _waiting = await asyncio.wait({*ways, broken}, return_when=asyncio.FIRST_COMPLETED)
                ways -= done
                for way in done - {broken}:
                    way.result()
        finally:
            for task in (*ways, broken):
                task.cancel()
            await asyncio.gather(*ways, broken, return_exceptions=True)

    def reset(self) -> None:
        for end in self._sockets:
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self._broken.set()
        if len(self._sockets) == 1:
            self.close()

    def close(self) -> None:
        for end in self._sockets:
            end.close()


async def _pump(source: socket.socket, sink: socket.socket, may_pass: Callable[[], Awaitable[None]]) -> None:
    loop = asyncio.get_running_loop()
    while piece := await loop.sock_recv(source, CHUNK):
        await may_pass()
        await loop.sock_sendall(sink, piece)
    await may_pass()
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
