"""Answers of a server: http.client's, but for the headers, which it reads as if they were an email's.

That costs more CPU than all the rest of an answer. What HTTP has that an email has not, and the other way round, is an
error of the connection here: none of the servers that are called speaks so.
"""

from __future__ import annotations

import http.client
from typing import Any

MAX_LINE = 65536
MAX_HEADERS = 100


class Headers(dict[str, str]):
    """Headers by name, in whatever case; of one that comes more than once the values, as HTTP joins them."""

    def __init__(self, lines: list[bytes]) -> None:
        """Read header lines, without their line ends. Raises: HTTPException where one is not a header."""
        super().__init__()
        for line in lines:
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon or not name or name != name.strip():
                raise http.client.HTTPException("a line that is not a header")
            key, text = name.lower(), value.strip(" \t")
            dict.__setitem__(
                self, key, f"{dict.__getitem__(self, key)}, {text}" if dict.__contains__(self, key) else text
            )

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.lower())

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def get(self, name: str, default: Any = None) -> Any:
        """Return a header's value."""
        return super().get(name.lower(), default)


class Answer(http.client.HTTPResponse):
    """An answer; `begin` reads its status and headers."""

    def begin(self) -> None:
        """Read up to the body. Raises: HTTPException."""
        if self.headers is not None:
            return
        version, status, reason = self._read_status()
        while status == http.client.CONTINUE:
            self._read_headers()
            version, status, reason = self._read_status()
        if not version.startswith("HTTP/1."):
            raise http.client.UnknownProtocol(version)
        self.code = self.status = status
        self.reason = reason.strip()
        self.version = 10 if version == "HTTP/1.0" else 11
        self.headers = self.msg = self._read_headers()
        self._decide_how_the_body_ends()

    def _read_headers(self) -> Headers:
        lines: list[bytes] = []
        while (line := self.fp.readline(MAX_LINE + 1)) not in (b"\r\n", b"\n"):
            if not line.endswith(b"\n"):
                raise http.client.HTTPException("a header without an end")
            if len(lines) == MAX_HEADERS:
                raise http.client.HTTPException(f"more than {MAX_HEADERS} headers")
            lines.append(line.rstrip(b"\r\n"))
        return Headers(lines)

    def _decide_how_the_body_ends(self) -> None:
        """Set what http.client reads the body by, as RFC 9112 has it (section 6.3)."""
        self.chunked = self.headers.get("transfer-encoding", "").lower() == "chunked"
        self.chunk_left = None
        length = self.headers.get("content-length", "")
        if length and not length.isdecimal():
            raise http.client.HTTPException("a Content-Length that is not a number")
        self.length = int(length) if length and not self.chunked else None
        if self.status in (http.client.NO_CONTENT, http.client.NOT_MODIFIED):
            self.length = 0
        open_ended = not self.chunked and self.length is None
        self.will_close = open_ended or self._check_close()  # type: ignore[attr-defined]  # of http.client
