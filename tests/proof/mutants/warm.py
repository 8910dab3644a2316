"""A process that has the libraries imported and forks for each run, in which the product's code is imported anew.

Run as a script in a copy of the tree; imports nothing of the project itself. Reads a request per line (JSON: the
arguments of pytest, variables of the environment, the file for what is printed) and answers each with its exit code.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

# None that reads Django's settings as it is imported: those import the product.
LIBRARIES = (
    "pytest",
    "django.contrib.admin",
    "django.core.management",
    "django.db.models",
    "django.test",
    "babel",
    "celery.worker.consumer",
    "factory",
    "faker.providers",
    "hypothesis",
    "kombu",
    "opentelemetry.sdk.trace",
    "prometheus_client",
    "sqlite3",
    "psycopg_pool",
    "pybreaker",
    "stripe",
    "structlog",
)


def main() -> None:
    """Serve requests until there are none."""
    for name in LIBRARIES:
        importlib.import_module(name)
    sys.path.insert(0, str(Path.cwd()))
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            _run(json.loads(line))
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}\n")
        sys.stdout.flush()


def _run(request: dict[str, Any]) -> None:
    """Become the run, and never return."""
    code = 70
    try:
        with Path(request["output"]).open("w") as printed:
            for stream in (1, 2):
                os.dup2(printed.fileno(), stream)
        os.environ.update(request["environment"])
        import pytest

        code = int(pytest.main(request["arguments"]))
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001  printed for whoever reads the output; this process ends here either way
        traceback.print_exc()
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
