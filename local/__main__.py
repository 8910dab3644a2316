"""`python -m local start|stop|remove|status|url|rabbitmq`: the checkout's own services, from the command line."""

import argparse
import os
import sys
from collections.abc import Sequence

from local.postgres import EmbeddedPostgres, EmbeddedPostgresError, home_from_env
from local.rabbitmq import RabbitmqError, install_and_start_rabbitmq


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit status: 3 for the status of a stopped server, 1 for a failure."""
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    parser.add_argument(
        "command",
        choices=("start", "stop", "remove", "status", "url", "rabbitmq"),
        help="start, stop, delete or query PostgreSQL; url shows its password; rabbitmq makes sure a broker answers",
    )
    try:
        return _run(parser.parse_args(arguments).command)
    except (EmbeddedPostgresError, RabbitmqError) as error:
        print(error, file=sys.stderr)  # noqa: T201  # a command talks to its terminal
        return 1


def _run(command: str) -> int:
    if command == "rabbitmq":
        _say(install_and_start_rabbitmq())
        return 0
    postgres = EmbeddedPostgres(home_from_env(os.environ))
    if command == "start":
        postgres.start()
        postgres.ensure_database()
    elif command == "stop":
        postgres.stop()
    elif command == "remove":
        postgres.remove()
    elif command == "url":
        _say(postgres.url())
        return 0
    running = postgres.is_running()
    _say(
        f"PostgreSQL runs on 127.0.0.1:{postgres.port}, log in {postgres.log_file}" if running else "PostgreSQL is off"
    )
    return 3 if command == "status" and not running else 0


def _say(line: str) -> None:
    print(line)  # noqa: T201  # a command talks to its terminal


if __name__ == "__main__":
    sys.exit(main())
