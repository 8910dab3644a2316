"""Where mail goes, as EMAIL_URL says it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import environ
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMessage, get_connection

from config.mail import mail_from_env
from shop import smtp


def read(url: str) -> dict[str, object]:
    env: Any = environ.Env()
    env.ENVIRON = {"EMAIL_URL": url}
    return mail_from_env(env)


@pytest.mark.parametrize("slashes", ["//", "///"])
def test_files_are_written_where_the_address_says(slashes: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "mail"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    found = read(f"filemail:{slashes}{folder}")

    with get_connection(str(found["EMAIL_BACKEND"]), file_path=found["EMAIL_FILE_PATH"]) as connection:
        connection.send_messages([EmailMessage("Hello", "There", "a@shop.example", ["b@shop.example"])])
    assert len(list(folder.glob("*.log"))) == 1
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize("url", ["filemail://", "filemail:///", "filemail://mail"])
def test_an_address_without_a_folder_is_refused(url: str):
    with pytest.raises(ImproperlyConfigured, match="three slashes"):
        read(url)


def test_a_server_is_read_as_before():
    found = read("smtp+tls://user:secret@mail.example:587")

    assert (found["EMAIL_HOST"], found["EMAIL_PORT"], found["EMAIL_USE_TLS"]) == ("mail.example", 587, True)


@pytest.mark.parametrize("kind", ["smtp", "smtp+tls", "smtp+ssl"])
def test_whoever_sends_over_a_server_does_so_within_the_time_limit(kind: str):
    found = read(f"{kind}://user:secret@mail.example:587")

    assert isinstance(get_connection(str(found["EMAIL_BACKEND"])), smtp.EmailBackend)
