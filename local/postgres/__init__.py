"""PostgreSQL 18 from a wheel: a real server on a loopback port, for machines that have only Python.

Owns a cluster's life: create, start, adopt, stop, crash. Creates no tables. Runs on Linux and macOS.
"""

from collections.abc import Mapping

from local.postgres.cluster import EmbeddedPostgres
from local.postgres.home import DEFAULT_HOME, PROJECT_ROOT, UNKNOWN_PORT, home_from_env
from local.postgres.installation import EmbeddedPostgresError

__all__ = [
    "DEFAULT_HOME",
    "PROJECT_ROOT",
    "UNKNOWN_PORT",
    "EmbeddedPostgres",
    "EmbeddedPostgresError",
    "embedded_url",
    "home_from_env",
]


def embedded_url(env: Mapping[str, str]) -> str:
    """Give the URL of the checkout's cluster, started or not; reads two small files and starts nothing."""
    return EmbeddedPostgres(home_from_env(env)).url()
