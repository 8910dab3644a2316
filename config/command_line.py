"""Django's command line, which says in one line that a database cannot be reached: a traceback of a hundred lines hides it."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from django.conf import settings
from django.core.management import execute_from_command_line
from django.db import InterfaceError, OperationalError, connections

from shop import actors

# What a command exits with that could not ask its database; 1 where nothing stands here.
UNASKED = {"audit": 3}


def main(arguments: Sequence[str]) -> None:
    """Run a management command; where one of its databases cannot be reached, say so in one line and exit 1.

    `audit` exits 3: nothing was found to be wrong, and nothing could be asked (docs/audit.md).

    Raises: what the command raises, also where it failed at a database that answers, and always with `--traceback`.
    """
    actors.speak_for_process(f"command {arguments[1]}" if len(arguments) > 1 else "")
    try:
        execute_from_command_line(list(arguments))
    except Exception as error:
        if "--traceback" in arguments or not _comes_of_a_database(error) or (line := _database_away()) is None:
            raise
        print(line, file=sys.stderr)  # noqa: T201  the answer of a command
        sys.exit(UNASKED.get(arguments[1], 1))


def _comes_of_a_database(error: BaseException | None) -> bool:
    """Return whether a database's failure raised this, or what raised it: a context's Fault has it as its cause."""
    while error is not None and not isinstance(error, (OperationalError, InterfaceError)):
        error = error.__cause__ or error.__context__
    return error is not None


def _database_away() -> str | None:
    """Return the line for the first database that cannot be connected to now; None where all answer."""
    for alias in connections:
        connection = connections[alias]
        try:
            connection.close()
            connection.ensure_connection()
        except (OperationalError, InterfaceError) as error:
            reason = " ".join(str(error).split())
            return (
                f"The database {alias!r} cannot be reached: {reason} {settings.DATABASE_ADVICE} "
                "(--traceback shows where it was asked.)"
            )
        finally:
            connection.close()
    return None
