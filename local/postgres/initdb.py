"""Making a data directory, with a password for its superuser."""

import os
import shutil
import subprocess
from pathlib import Path

from local.postgres.files import write
from local.postgres.installation import Account, EmbeddedPostgresError, environment, run_as


def initialize(
    data_dir: Path, *, programs: Path, runs_as: Account | None, superuser: str, password: str, durable: bool
) -> None:
    """Make the directory anew, as the account that the server will run as.

    Raises:
        EmbeddedPostgresError: initdb says why not.
    """
    # A creation that was interrupted leaves a directory without PG_VERSION, which initdb refuses.
    shutil.rmtree(data_dir, ignore_errors=True)
    data_dir.mkdir(mode=0o700)
    password_file = data_dir.parent / "initdb-password"
    write(password_file, password)
    if runs_as is not None:
        for path in (data_dir, password_file):
            os.chown(path, runs_as.pw_uid, runs_as.pw_gid)
    command: list[str | Path] = [
        programs / "initdb",
        f"--pgdata={data_dir}",
        f"--username={superuser}",
        f"--pwfile={password_file}",
        "--auth=scram-sha-256",
        # A random password of 192 bits gains nothing by 4,096 rounds of hashing at each connect.
        "--set=scram_iterations=1",
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--no-instructions",
        *([] if durable else ["--no-sync"]),
    ]
    try:
        subprocess.run(  # noqa: S603  # nosec B603  # our own binary and arguments
            command,
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=data_dir.parent,
            env=environment(),
            **run_as(runs_as),
        )
    except subprocess.CalledProcessError as error:
        shutil.rmtree(data_dir, ignore_errors=True)
        raise EmbeddedPostgresError(f"initdb failed in {data_dir}: {error.output.strip()}") from error
    finally:
        password_file.unlink()
