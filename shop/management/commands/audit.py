"""`manage.py audit`: check every promise against what is stored, and name each violation.

Exits with 0 where every promise holds, 1 where one is broken, 3 where none is seen broken and something could not be asked.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections
from django.utils.dateparse import parse_date, parse_datetime, parse_duration
from django.utils.timezone import is_naive, make_aware

from shop.audit import MOST, Check, Scope, Unasked, Violation, checks, look, within
from shop.clock import now

COULD_NOT_BE_ASKED = 3
# An audit that takes longer tells how far it is.
SILENT_SECONDS = 5.0


@dataclass
class _Found:
    """What one check has found: the first violations, and how many there are."""

    violations: list[Violation] = field(default_factory=list)
    count: int = 0
    unasked: str = ""

    def add(self, found: Violation | Unasked) -> None:
        if isinstance(found, Unasked):
            self.unasked = str(found)
            return
        self.count += 1
        if len(self.violations) < MOST:
            self.violations.append(found)


class Command(BaseCommand):
    """Run the audit."""

    help = (
        "Check the promises I1 to I13 against the stored state and name each violation. Exits with 1 if one is broken,"
        " with 3 if none is but something could not be asked."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--only", metavar="I4", nargs="+", help="check these promises only")
        parser.add_argument(
            "--since",
            type=_moment,
            metavar="WHEN",
            help="judge only what was placed or told since then (stock is always judged as a whole): a moment"
            " (2026-11-29, 2026-11-29T08:00Z) or how long ago (2:00:00, or '7 00:00:00' for seven days)",
        )
        parser.add_argument(
            "--json", action="store_true", help="print one JSON object per line: violations, checks, summary"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        wanted = [check for check in checks() if not options["only"] or check.promise in options["only"]]
        if not wanted:
            raise CommandError(f"no check for {', '.join(options['only'])}; the promises are I1 to I13")
        if len(connections.settings) == 1:
            # Without the one database nothing can be judged: that is said once, and not by each check.
            connections["default"].ensure_connection()
        self._json, self._began, self._told_at = options["json"], time.monotonic(), time.monotonic()
        broken = unasked = 0
        with within(Scope(since=options["since"], progress=self._count)):
            for group, finds in look(wanted):
                self._rows, self._at = 0, f"{group[0].context}: {group[0].title}"
                found = {check: _Found() for check in group}
                for check, each in finds:
                    found[check].add(each)
                    self._tell_found(check, each)
                self._count(0)
                for check in group:
                    self._tell_check(check, found[check])
                    broken += found[check].count
                    unasked += bool(found[check].unasked)
        self._end(len(wanted), broken, unasked)

    def _tell_found(self, check: Check, found: Violation | Unasked) -> None:
        """Print a violation at once where each has a line of its own: nothing is kept."""
        if self._json and isinstance(found, Violation):
            self._print(violation=check.promise, context=check.context, subject=found.subject, detail=found.detail)

    def _tell_check(self, check: Check, found: _Found) -> None:
        if self._json:
            self._print(
                check=check.promise,
                context=check.context,
                title=check.title,
                violations=found.count,
                unasked=found.unasked,
            )
            return
        verdict = self.style.SUCCESS("holds") if not found.count else self.style.ERROR(f"{found.count} broken")
        if found.unasked:
            verdict = self.style.WARNING(found.unasked)
        self.stdout.write(f"{check.promise:<4} {check.context:<14} {check.title:<58} {verdict}")
        for violation in found.violations:
            self.stdout.write(self.style.ERROR(f"     {violation.subject}: {violation.detail}"))
        if more := found.count - len(found.violations):
            self.stdout.write(self.style.ERROR(f"     and {more} more; --json prints them all"))

    def _end(self, made: int, broken: int, unasked: int) -> None:
        if self._json:
            seconds = round(time.monotonic() - self._began, 1)
            self._print(summary="audit", checks=made, violations=broken, unasked=unasked, seconds=seconds)
        if broken:
            advice = "; `manage.py explain_order ID` tells an order's whole story"
            raise CommandError(
                f"{broken} violations{f', {unasked} checks could not be made' if unasked else ''}{advice}"
            )
        if unasked:
            message = f"{unasked} of {made} checks could not be made, 0 violations in the others"
            raise CommandError(message, returncode=COULD_NOT_BE_ASKED)
        if not self._json:
            self.stdout.write(self.style.SUCCESS(f"{made} checks, 0 violations"))

    def _count(self, rows: int) -> None:
        """Say on stderr how far a long audit is."""
        self._rows += rows
        present = time.monotonic()
        if present - self._told_at >= SILENT_SECONDS:
            self._told_at = present
            self.stderr.write(f"{present - self._began:.0f} s: {self._at}, {self._rows} rows read")

    def _print(self, **values: Any) -> None:
        self.stdout.write(json.dumps(values))


def _moment(text: str) -> datetime:
    """Return the moment that a person means. Raises: ValueError, which argparse tells."""
    if (day := parse_date(text) if len(text) <= len("2026-11-29") else None) is not None:
        return make_aware(datetime(day.year, day.month, day.day))  # noqa: DTZ001  made aware in the shop's zone
    if (moment := parse_datetime(text)) is not None:
        return make_aware(moment) if is_naive(moment) else moment
    if (ago := parse_duration(text)) is not None and ago > timedelta(0):
        return now() - ago
    raise ValueError(text)
