"""The embedded cluster's life: started, adopted, moved to another port, killed, tied to its process."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from local.__main__ import main
from local.ports import HOST
from local.postgres import PROJECT_ROOT, EmbeddedPostgres, EmbeddedPostgresError, installation, postmaster
from local.postgres.cluster import REMOVE_CLUSTER

SHARED_MEMORY = Path("/proc/sysvipc/shm")
pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    home = tmp_path / "var" / "postgres"
    yield home
    EmbeddedPostgres(home).remove()


def ask(server: EmbeddedPostgres, statement: str, database: str = "postgres") -> object:
    with psycopg.connect(server.url(database), autocommit=True) as connection:
        cursor = connection.execute(statement)
        row = cursor.fetchone() if cursor.description else None
        return row and row[0]


def eventually(condition: Callable[[], bool], seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def test_cluster_keeps_its_port_password_and_data(home: Path) -> None:
    with EmbeddedPostgres(home) as server:
        url = server.url()
        server.ensure_database()
        server.ensure_database()
        ask(server, "CREATE TABLE kept AS SELECT 7 AS n", "shop")
    assert not server.is_running()

    with EmbeddedPostgres(home) as again:
        assert again.url() == url
        assert ask(again, "SELECT n FROM kept", "shop") == 7
        assert ask(again, "SHOW fsync") == "on"


def test_start_adopts_a_running_cluster(home: Path) -> None:
    with EmbeddedPostgres(home) as first:
        started = ask(first, "SELECT pg_postmaster_start_time()")

        first.start()
        EmbeddedPostgres(home).start()

        assert ask(EmbeddedPostgres(home), "SELECT pg_postmaster_start_time()") == started


def test_simultaneous_starts_make_one_cluster(home: Path) -> None:
    clusters = [EmbeddedPostgres(home) for _ in range(3)]

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(EmbeddedPostgres.start, clusters))

    assert len({cluster.url() for cluster in clusters}) == 1
    assert ask(clusters[0], "SELECT 1") == 1


def test_killed_cluster_recovers_what_was_committed(home: Path) -> None:
    server = EmbeddedPostgres(home)
    server.start()
    ask(server, "CREATE TABLE kept AS SELECT 7 AS n")

    server.kill()
    assert not server.is_running()
    server.start()

    assert ask(server, "SELECT n FROM kept") == 7


def test_pid_left_by_a_crash_may_be_another_process_by_now(home: Path) -> None:
    server = EmbeddedPostgres(home)
    server.start()
    server.kill()
    pid_file = server.data_dir / "postmaster.pid"
    # Of the server's own account: a process that PostgreSQL may not signal it knows for a stranger.
    with subprocess.Popen(["sleep", "600"], cwd="/", **installation.run_as(installation.account())) as stranger:
        pid_file.write_text("\n".join([str(stranger.pid), *pid_file.read_text().splitlines()[1:], ""]))

        assert not server.is_running()
        server.stop()
        assert stranger.poll() is None
        server.start()

        assert ask(server, "SELECT 1") == 1
        stranger.kill()


def test_port_taken_by_another_is_replaced_and_remembered(home: Path) -> None:
    server = EmbeddedPostgres(home)
    server.start()
    server.stop()
    taken = server.port

    with socket.create_server((HOST, taken)):
        server.start()

        assert server.port != taken
        assert EmbeddedPostgres(home).port == server.port
        assert ask(server, "SELECT 1") == 1


def test_wanted_port_that_is_taken_is_an_error(home: Path) -> None:
    with socket.create_server((HOST, 0)) as other:
        port = other.getsockname()[1]

        with pytest.raises(EmbeddedPostgresError, match=f"Port {port} is in use"):
            EmbeddedPostgres(home, port=port).start()


def test_login_needs_the_password_which_only_the_owner_can_read(home: Path) -> None:
    with EmbeddedPostgres(home) as server:
        password = (home / "password").read_text()
        assert (home / "password").stat().st_mode & 0o077 == 0
        assert server.log_file.stat().st_mode & 0o077 == 0
        assert server.data_dir.stat().st_mode & 0o077 == 0

        for url in (server.url().replace(f":{password}@", "@"), server.url().replace(password, "guess")):
            with pytest.raises(psycopg.OperationalError, match="password"):
                psycopg.connect(url)


def test_server_listens_on_loopback_alone(home: Path) -> None:
    with EmbeddedPostgres(home) as server:
        assert ask(server, "SHOW listen_addresses") == "127.0.0.1"
        assert ask(server, "SHOW unix_socket_directories") == ""
        assert ask(server, "SHOW max_connections") == "300"


def test_throwaway_cluster_is_fast_and_leaves_nothing() -> None:
    with EmbeddedPostgres(durable=False) as server, EmbeddedPostgres(durable=False) as other:
        home, lines = server.home, (server.data_dir / "postmaster.pid").read_text().splitlines()
        pid, segment = int(lines[0]), lines[6].split()[1]
        assert segment in _shared_memory() or not SHARED_MEMORY.exists()
        assert server.port != other.port
        assert ask(server, "SHOW fsync") == "off"
        server.kill()

    assert not home.exists()
    assert not _is_alive(pid)
    assert segment not in _shared_memory()


def test_throwaway_cluster_ends_with_its_process_however_that_ends() -> None:
    script = (
        "from local.postgres import EmbeddedPostgres; import time\n"
        "p = EmbeddedPostgres(durable=False); p.start(); print(p.home, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script], cwd=PROJECT_ROOT, stdout=subprocess.PIPE, text=True) as owner:
        home = Path(owner.stdout.readline().strip())
        pid = int((home / "data" / "postmaster.pid").read_text().split()[0])
        assert _is_alive(pid)

        owner.send_signal(signal.SIGKILL)

    assert eventually(lambda: not _is_alive(pid) and not home.exists())


def test_end_of_a_process_whose_cluster_was_killed_harms_no_other_process(tmp_path: Path) -> None:
    # By then the number in the dead server's file may be another process's.
    (tmp_path / "data").mkdir()
    with subprocess.Popen(["sleep", "600"]) as stranger:
        (tmp_path / "data" / "postmaster.pid").write_text(f"{stranger.pid}\n")

        subprocess.run(["/bin/sh", "-c", REMOVE_CLUSTER, "sh", str(tmp_path)], check=True, timeout=60)

        assert stranger.poll() is None
        assert not tmp_path.exists()
        stranger.kill()


def test_lost_home_makes_a_new_cluster(home: Path) -> None:
    first = EmbeddedPostgres(home)
    first.start()
    old_url = first.url()
    for file in ("port", "password", "location"):
        (home / file).unlink(missing_ok=True)
    if os.geteuid() != 0:
        pytest.skip("only as root do the data live elsewhere")

    first.start()

    assert first.url() != old_url
    assert ask(first, "SELECT 1") == 1


def test_missing_wheel_says_what_to_do(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    with pytest.raises(EmbeddedPostgresError, match=r"pip install -r requirements\.txt.*DATABASE_URL"):
        EmbeddedPostgres(home).start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs copies")
def test_directory_that_others_can_write_to_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = tmp_path / "shop-embedded"
    planted.mkdir()
    planted.chmod(0o777)
    monkeypatch.setattr(installation, "ROOT_BASE", planted)

    with pytest.raises(EmbeddedPostgresError, match="only root can write to"):
        EmbeddedPostgres(tmp_path / "home").start()


def test_command_line(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("EMBEDDED_POSTGRES_DIR", str(home))

    assert main(["status"]) == 3
    assert main(["start"]) == 0
    assert main(["status"]) == 0
    capsys.readouterr()
    assert main(["url"]) == 0
    url = capsys.readouterr().out.strip()
    with psycopg.connect(url) as connection:
        assert connection.info.dbname == "shop"
    assert main(["stop"]) == 0
    assert main(["status"]) == 3
    assert main(["remove"]) == 0
    assert not home.exists()


def _is_alive(pid: int) -> bool:
    return postmaster.lives(pid)


def _shared_memory() -> set[str]:
    lines = SHARED_MEMORY.read_text().splitlines() if SHARED_MEMORY.exists() else []
    return {line.split()[1] for line in lines[1:]}
