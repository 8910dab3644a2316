"""What PostgreSQL's log says that was asked of it: statements, and the transactions they make up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path


class StatementLog:
    """The server's log from this moment on."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._from = file.stat().st_size

    def size(self) -> int:
        """Return how long the log is: it grows with every statement."""
        return self._file.stat().st_size

    def statements(self, database: str) -> list[Statement]:
        """Return what came in for that database since the last call, the bench's own questions left out."""
        with self._file.open("rb") as log:
            log.seek(self._from)
            whole, newline, _rest = log.read().rpartition(b"\n")  # a line being written waits for the next call
        self._from += len(whole) + len(newline)
        found = []
        for line in f"\n{whole.decode(errors='replace')}".split("\n%>")[1:]:
            source, _, rest = line.partition("> ")
            application, of_database, session = source.rsplit("|", 2)
            kind, _, text = rest.removeprefix("LOG:  ").partition(": ")
            if of_database == database and application != "bench" and kind.startswith(("statement", "execute ")):
                found.append(Statement(application, session, " ".join(text.split())))
        return _in_one_message(found)


@dataclass(frozen=True)
class Statement:
    """One statement as the server got it: BEGIN and COMMIT are some, what foreign keys ask is none."""

    application: str
    session: str
    text: str


# What a relay sends together begins with the one and ends with the other (shop/events/claims.py).
TOGETHER_FROM, TOGETHER_TO = "SELECT set_config('shop.relay'", "FOR UPDATE SKIP LOCKED"


def _in_one_message(statements: Sequence[Statement]) -> list[Statement]:
    """Return the statements, with those that came in one message, and are one transaction, as one."""
    found: list[Statement] = []
    open_at: dict[str, int] = {}
    for each in statements:
        if each.text.startswith(TOGETHER_FROM):
            open_at[each.session] = len(found)
        if (place := open_at.get(each.session, len(found))) == len(found):
            found.append(each)
        else:
            found[place] = replace(each, text=f"{found[place].text}; {each.text}")
        if TOGETHER_TO in each.text:
            open_at.pop(each.session, None)
    return found


def transactions_in(statements: Sequence[Statement]) -> int:
    """Return how many transactions they make: each COMMIT, and each statement outside of a transaction."""
    inside: set[str] = set()
    count = 0
    for each in statements:
        word = each.text[:8].upper()
        if word.startswith("BEGIN"):
            inside.add(each.session)
        elif word.startswith(("COMMIT", "ROLLBACK")) and " TO " not in each.text.upper():
            inside.discard(each.session)
            count += word.startswith("COMMIT")
        elif each.session not in inside:
            count += 1
    return count
