"""POSTs to Stripe as the SDK's raw_request makes them, to the byte, without what it does besides.

At each call raw_request writes six texts for a log that is off, looks through the environment, describes this machine
anew, and keeps times for Stripe's telemetry: as much CPU as all the rest of a call. Here the SDK signs once and encodes,
checks and maps errors at each call. A test holds what is sent against raw_request's own, so that an upgrade of the SDK
which sends something else fails there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import urlencode

import stripe
from stripe._encode import _api_encode

V1 = "V1"
# Never sent: the key of a call is given with it.
PLACEHOLDER = "key"


class PostCalls:
    """Sends the POSTs of one client over the client's own transport, once each."""

    def __init__(self, client: stripe.StripeClient) -> None:
        # The SDK has no public way to what it signs with and to what it makes of an answer.
        self._requestor = cast("Any", client._requestor)  # noqa: SLF001
        options: dict[str, Any] = self._requestor._options.to_dict()  # noqa: SLF001
        self._base: str = options["base_addresses"].get("api") or stripe.DEFAULT_API_BASE
        self._headers: dict[str, str] = self._requestor.request_headers(
            "post", V1, options | {"idempotency_key": PLACEHOLDER}
        )

    def send(self, path: str, wanted: Mapping[str, Any], *, key: str) -> Any:
        """Send one request once; return the answer as plain dicts and lists. Raises: StripeError."""
        body = urlencode(list(_api_encode(wanted))).replace("%5B", "[").replace("%5D", "]")
        transport = self._requestor._get_http_client()  # noqa: SLF001
        headers = self._headers | {"Idempotency-Key": key}
        content, status, answered = transport.request("post", self._base + path, headers, body)
        return self._requestor._interpret_response(content, status, answered, V1).data  # noqa: SLF001
