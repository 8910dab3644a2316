"""Calls to Stripe as the SDK's raw_request makes them, to the byte, without what it does besides.

At each call raw_request writes six texts for a log that is off, looks through the environment, describes this machine
anew, and keeps times for Stripe's telemetry: as much CPU as all the rest of a call. Here the SDK signs once and encodes,
checks and maps errors at each call. A test holds what is sent against raw_request's own, so that an upgrade of the SDK
which sends something else fails there. A list is decoded by whoever reads it: as the SDK's dicts it costs ten times as much.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast
from urllib.parse import urlencode

import msgspec
import stripe
from stripe._encode import _api_encode

V1 = "V1"
OK = 200
# Never sent: the key of a call is given with it.
PLACEHOLDER = "key"


class Calls:
    """Sends the POSTs and reads the lists of one client over the client's own transport, once each."""

    def __init__(self, client: stripe.StripeClient) -> None:
        # The SDK has no public way to what it signs with and to what it makes of an answer.
        self._requestor = cast("Any", client._requestor)  # noqa: SLF001
        options: dict[str, Any] = self._requestor._options.to_dict()  # noqa: SLF001
        self._base: str = options["base_addresses"].get("api") or stripe.DEFAULT_API_BASE
        self._headers: dict[str, str] = self._requestor.request_headers(
            "post", V1, options | {"idempotency_key": PLACEHOLDER}
        )
        self._headers_of_lists: dict[str, str] = self._requestor.request_headers("get", V1, options)

    def send(self, path: str, wanted: Mapping[str, Any], *, key: str) -> Any:
        """Send one request once; return the answer as plain dicts and lists. Raises: StripeError."""
        headers = self._headers | {"Idempotency-Key": key}
        return self._interpret(*self._request("post", self._base + path, headers, _encode(wanted)))

    def page(self, path: str, wanted: Mapping[str, Any], *, decode: Callable[[bytes], Any]) -> Any:
        """Ask once for a page; return what `decode` makes of it, or plain dicts where it cannot. Raises: StripeError."""
        content, *more = self._request("get", f"{self._base}{path}?{_encode(wanted)}", self._headers_of_lists, None)
        if more[0] == OK:
            try:
                return decode(content)
            except msgspec.DecodeError:
                pass  # another shape than we read, or no JSON: the SDK raises what that is
        return self._interpret(content, *more)

    def _request(self, method: str, url: str, headers: Mapping[str, str], body: str | None) -> tuple[bytes, int, Any]:
        transport = self._requestor._get_http_client()  # noqa: SLF001
        answer: tuple[bytes, int, Any] = transport.request(method, url, headers, body)
        return answer

    def _interpret(self, content: bytes, status: int, answered: Any) -> Any:
        return self._requestor._interpret_response(content, status, answered, V1).data  # noqa: SLF001


def _encode(wanted: Mapping[str, Any]) -> str:
    return urlencode([*_api_encode(wanted)]).replace("%5B", "[").replace("%5D", "]")
