"""Where the checkout's own cluster lives."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

PROJECT_ROOT: Final = Path(__file__).resolve().parents[2]
DEFAULT_HOME: Final = PROJECT_ROOT / "var" / "postgres"
# What settings name while no cluster has ever been started here; nothing listens there.
UNKNOWN_PORT: Final = 54320


def home_from_env(env: Mapping[str, str]) -> Path:
    """Name the home of the checkout's cluster: `EMBEDDED_POSTGRES_DIR`, else `var/postgres`."""
    return Path(env.get("EMBEDDED_POSTGRES_DIR") or DEFAULT_HOME)
