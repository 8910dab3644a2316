"""Answers as a server may write them: read as http.client reads them, or refused."""

from __future__ import annotations

import http.client
import socket

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shop.http_answers import Answer


def read(raw: bytes, kind: type[http.client.HTTPResponse] = Answer) -> http.client.HTTPResponse:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(raw)
        theirs.shutdown(socket.SHUT_WR)
        answer = kind(ours, method="POST")
        answer.begin()
        answer.content = answer.read()  # type: ignore[attr-defined]
        return answer


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\ncontent-length: 2\n\n{}",
        b"HTTP/1.1 402\r\nContent-Length:2\t\r\nRequest-Id: a:b \r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nContent-Length: 1\r\n\r\n2\r\n{}\r\n0\r\nTrailer: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n\r\n{}",
        b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Empty:\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_answer_is_read_as_http_client_reads_it(raw: bytes):
    ours, theirs = read(raw), read(raw, http.client.HTTPResponse)

    for what in ("status", "reason", "version", "will_close", "chunked", "content"):
        assert getattr(ours, what) == getattr(theirs, what), what
    assert {name.lower(): value.strip() for name, value in theirs.headers.items()} == dict(ours.headers)


@given(
    st.dictionaries(
        st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,20}", fullmatch=True), st.text("az09 \t:;,=\"'()", max_size=30)
    )
)
@example({"A": "1", "a": "2"})
def test_headers_are_found_in_any_case(headers: dict[str, str]):
    kept = {name: value for name, value in headers.items() if name.lower() not in FRAMING}
    lines = "".join(f"{name}: {value}\r\n" for name, value in kept.items())

    answer = read(f"HTTP/1.1 200 OK\r\n{lines}Content-Length: 2\r\n\r\n{{}}".encode())

    for name in kept:
        together = ", ".join(value.strip(" \t") for other, value in kept.items() if other.lower() == name.lower())
        assert answer.headers[name.upper()] == answer.headers.get(name.lower()) == together
        assert name.title() in answer.headers
    assert "nothing" not in answer.headers


FRAMING = {"content-length", "transfer-encoding", "connection", "keep-alive", "proxy-connection", "nothing"}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n folded\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nno header\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n: nameless\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nName : value\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nLong: " + b"x" * 70_000 + b"\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 101 + b"\r\n{}",
        b"HTTP/2 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"SSH-2.0-x\r\n\r\n",
    ],
)
def test_what_is_no_answer_is_an_error_of_the_connection(raw: bytes):
    with pytest.raises(http.client.HTTPException):
        read(raw)
