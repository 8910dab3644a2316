"""A real PgBouncer in transaction mode before the databases of a test: skipped where none is installed, failed in CI."""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from django.db import connections
from psycopg import sql

from local.ports import free_port
from local.processes import Process
from shop.database.schemas import SEARCH_PATH

SERVER_CONNECTIONS = 4


@contextmanager
def pgbouncer(home: Path) -> Iterator[int]:
    """Run one, and have the databases' role hold what a connection through it cannot ask for; yield its port."""
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        message = "no pgbouncer here (Debian: apt-get install pgbouncer)"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    port = free_port()
    process = Process(
        "pgbouncer", [program, *_as_nobody(), str(_configure(home, port))], environment={}, log=home / "log"
    )
    process.start()
    try:
        with _paths_of_roles():
            process.wait_until(lambda: _answers(port), seconds=30)
            yield port
    finally:
        process.stop()


def _as_nobody() -> list[str]:
    return ["-u", "nobody"] if os.getuid() == 0 else []


def _configure(home: Path, port: int) -> Path:
    """Write its files where the user that it runs as may read them."""
    home.mkdir(parents=True, exist_ok=True)
    server = connections["default"].settings_dict
    users, configuration = home / "users.txt", home / "pgbouncer.ini"
    users.write_text(f'"{server["USER"]}" "{server["PASSWORD"]}"\n')
    configuration.write_text(
        "[databases]\n"
        f"* = host={server['HOST']} port={server['PORT']}\n"
        "[pgbouncer]\n"
        f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = trust\nauth_file = {users}\n"
        f"pool_mode = transaction\ndefault_pool_size = {SERVER_CONNECTIONS}\nmax_client_conn = 200\n"
    )
    if os.getuid() == 0:
        for path in (home, users, configuration):
            os.chown(path, pwd.getpwnam("nobody").pw_uid, -1)
    return configuration


def _answers(port: int) -> bool:
    server = connections["default"].settings_dict
    try:
        psycopg.connect(
            host="127.0.0.1", port=port, user=server["USER"], dbname=server["NAME"], connect_timeout=2
        ).close()
    except psycopg.OperationalError:
        return False
    return True


@contextmanager
def _paths_of_roles() -> Iterator[None]:
    path = sql.SQL(", ").join(map(sql.Identifier, SEARCH_PATH))
    _alter_roles(sql.SQL("SET search_path = {}").format(path))
    try:
        yield
    finally:
        _alter_roles(sql.SQL("RESET search_path"))


def _alter_roles(what: sql.Composable) -> None:
    for alias in connections:
        server = connections[alias].settings_dict
        role = sql.SQL("ALTER ROLE {} IN DATABASE {} {}").format(
            sql.Identifier(server["USER"]), sql.Identifier(server["NAME"]), what
        )
        with connections[alias].cursor() as cursor:
            cursor.execute(role.as_string())
