"""Limits of all that is said to a server: one that drips a byte at a time ends nobody's patience but its own."""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import smtplib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.core.mail import EmailMessage
from django.core.mail.utils import DNS_NAME

from shop import deadlines, smtp
from shop.deadlines import within
from shop.kept_alive import KeptAlive
from tests.driver.dripping import DrippingServer, dripping
from tests.patience import PATIENT_SECONDS

LIMIT_SECONDS = 0.2
# The head of a TLS record of a handshake, which then never gets whole.
HANDSHAKE = b"\x16\x03\x03\x40\x00"
GREETING = b"220 mail.example\r\n"
HELLO = b"250 mail.example\r\n"
UP_TO_THE_MAIL = [GREETING, HELLO, b"250 sender\r\n", b"250 recipient\r\n", b"354 go on\r\n"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with a certificate of 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    present = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(present - dt.timedelta(days=1))
        .not_valid_after(present + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def client_tls(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the mail client trust the server's certificate."""
    trusting = ssl.create_default_context(cafile=str(certificate))
    monkeypatch.setattr(smtp.EmailBackend, "ssl_context", deadlines.encrypted(trusting))


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "SENDING_SECONDS", LIMIT_SECONDS)


def send_mail(server: DrippingServer, **more: Any) -> int:
    options: dict[str, Any] = {
        "username": "",
        "password": "",
        "use_tls": False,
        "use_ssl": False,
        "timeout": PATIENT_SECONDS,
    } | more
    with contextlib.closing(smtp.EmailBackend(host="127.0.0.1", port=server.port, **options)) as backend:
        return backend.send_messages([EmailMessage("Hello", "There", "a@shop.example", ["b@shop.example"])])


@pytest.mark.parametrize(
    ("script", "options"),
    [
        pytest.param([], {}, id="greeting"),
        pytest.param([GREETING], {}, id="first answer"),
        pytest.param([GREETING, b"250-mail.example\r\n250 STARTTLS\r\n"], {"use_tls": True}, id="answer to STARTTLS"),
        pytest.param(UP_TO_THE_MAIL, {}, id="answer to the mail"),
    ],
)
def test_a_mail_server_that_drips_is_given_up_and_the_reason_told(script: list[bytes], options: dict[str, bool]):
    with dripping(script) as server, pytest.raises(smtplib.SMTPServerDisconnected, match=r"not over within 0\.2 s"):
        send_mail(server, **options)


@pytest.mark.parametrize(
    ("script", "options"),
    [
        pytest.param([], {"use_ssl": True}, id="from the first byte on"),
        pytest.param(
            [GREETING, b"250-mail.example\r\n250 STARTTLS\r\n", b"220 go on\r\n"],
            {"use_tls": True},
            id="by STARTTLS",
        ),
    ],
)
def test_a_handshake_that_drips_is_given_up(script: list[bytes], options: dict[str, bool]):
    with dripping(script, HANDSHAKE + b"\0") as server, pytest.raises(TimeoutError, match=r"not over within 0\.2 s"):
        send_mail(server, **options)


@pytest.mark.usefixtures("client_tls")
def test_an_encrypted_answer_that_drips_is_given_up(server_tls: ssl.SSLContext):
    gives_up = pytest.raises(smtplib.SMTPServerDisconnected, match=r"not over within 0\.2 s")
    with dripping([GREETING], tls=server_tls) as server, gives_up:
        send_mail(server, use_ssl=True)

    assert server.told == [b"ehlo " + DNS_NAME.get_fqdn().encode() + b"\r\n"]


def test_a_mail_that_was_taken_is_sent_though_the_goodbye_drips():
    with dripping([*UP_TO_THE_MAIL, b"250 taken\r\n"]) as server:
        assert send_mail(server) == 1


def test_a_single_wait_has_its_own_limit(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(smtp, "SENDING_SECONDS", PATIENT_SECONDS)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        backend = smtp.EmailBackend(host="127.0.0.1", port=silent.getsockname()[1], timeout=0.01)

        with pytest.raises(smtplib.SMTPServerDisconnected, match="timed out"):
            backend.open()


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 200 OK\r\nX-Long: ", b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n"],
    ids=["head", "body"],
)
def test_an_answer_over_http_that_drips_is_given_up(answer: bytes):
    connections = KeptAlive(timeout_seconds=LIMIT_SECONDS, cafile="")
    with dripping([answer]) as server, pytest.raises(TimeoutError, match=r"not over within 0\.2 s"):
        connections.exchange("get", urlsplit(f"http://127.0.0.1:{server.port}/"), headers={}, body=None)


def test_the_earlier_of_two_limits_holds_and_ends_with_its_block():
    with dripping() as server, contextlib.closing(deadlines.connect(("127.0.0.1", server.port))) as connection:
        with within(PATIENT_SECONDS):
            with within(LIMIT_SECONDS), within(PATIENT_SECONDS), pytest.raises(TimeoutError, match=r"0\.2 s"):
                read_on(connection)
            assert connection.recv_into(bytearray(1)) == 1
        connection.settimeout(None)
        assert connection.recv_into(bytearray(1)) == 1


def read_on(connection: socket.socket) -> None:
    while connection.recv_into(bytearray(1)):
        pass


@contextlib.contextmanager
def full() -> Iterator[tuple[str, int]]:
    """Give an address that answers no connection: its queue is full."""
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _connection in range(2):
            waits = stack.enter_context(socket.socket())
            waits.settimeout(0)
            waits.connect_ex(listening.getsockname())
        yield listening.getsockname()


def test_an_address_that_does_not_answer_leaves_time_for_the_next(monkeypatch: pytest.MonkeyPatch):
    with full() as dead, socket.create_server(("127.0.0.1", 0)) as alive:
        kind = (socket.AF_INET, socket.SOCK_STREAM, 0, "")
        answers = [(*kind, dead), (*kind, alive.getsockname())]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_arguments, **_more: answers)

        with within(2.0), deadlines.connect(("mail.example", 25)) as connection:
            assert connection.getpeername() == alive.getsockname()


def test_a_host_whose_every_address_is_silent_is_given_up():
    with full() as dead, pytest.raises(TimeoutError), within(LIMIT_SECONDS):
        deadlines.connect(dead)


def test_a_connection_begins_at_the_address_that_is_asked_for():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        made = deadlines.connect(listening.getsockname(), source_address=("127.0.0.2", 0))
        accepted, peer = listening.accept()
        accepted.close()
        made.close()

    assert peer[0] == "127.0.0.2"
