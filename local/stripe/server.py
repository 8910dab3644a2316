"""A sandbox as a whole: store, calls, faults, deliveries and server, started and stopped together."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Self

from local.stripe.calls import Api
from local.stripe.control import Control
from local.stripe.faults import Faults
from local.stripe.http import Server
from local.stripe.store import Store
from local.stripe.webhooks import SIGNER, Settings, Webhooks

ACCOUNT_KEY = "sk_test_sandbox"


class Sandbox:
    """A Stripe sandbox serving in threads of this process. Also a context manager.

    `port` 0 takes a free one. `database` is a file that survives restarts, or ":memory:".
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        database: str = ":memory:",
        secret_key: str = ACCOUNT_KEY,
        webhook_url: str | None = None,
        webhook_secret: str = SIGNER,
        webhook_events: Sequence[str] = ("*",),
    ) -> None:
        self.secret_key = secret_key
        self.webhook_secret = webhook_secret
        self._store = Store(database=database)
        endpoint = Settings(url=webhook_url, secret=webhook_secret, enabled_events=list(webhook_events))
        self._webhooks = Webhooks(store=self._store, settings=endpoint)
        faults = Faults()
        self._server = Server(
            address=(host, port),
            api=Api(store=self._store, secret_key=secret_key),
            control=Control(store=self._store, faults=faults, webhooks=self._webhooks),
            faults=faults,
        )
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, name="sandbox", daemon=True
        )

    @property
    def url(self) -> str:
        """Where it listens, without a trailing slash."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def start(self) -> Self:
        """Begin serving; returns once requests are answered."""
        self._webhooks.start()
        self._thread.start()
        return self

    def stop(self) -> None:
        """End serving and every open connection; safe to call twice."""
        if self._server.stopping.is_set():
            return
        self._server.stopping.set()
        if self._thread.ident is not None:
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        self._server.hang_up()
        self._webhooks.stop()
        self._store.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.stop()


def serve_forever(
    *,
    host: str = "127.0.0.1",
    port: int = 12111,
    database: str = ":memory:",
    secret_key: str = ACCOUNT_KEY,
    webhook_url: str | None = None,
    webhook_secret: str = SIGNER,
    webhook_events: Sequence[str] = ("*",),
) -> None:
    """Serve until SIGTERM or SIGINT; prints one line when ready."""
    ended = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        ended.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    sandbox = Sandbox(
        host=host,
        port=port,
        database=database,
        secret_key=secret_key,
        webhook_url=webhook_url,
        webhook_secret=webhook_secret,
        webhook_events=webhook_events,
    )
    with sandbox:
        sys.stdout.write(f"Stripe sandbox ready at {sandbox.url}\n")
        sys.stdout.flush()
        ended.wait()
