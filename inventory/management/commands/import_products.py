"""`manage.py import_products FILE`: add and change products from a CSV, and receive their units."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from django.core.management.base import BaseCommand, CommandError, CommandParser

from inventory import api
from orders import api as orders
from shop.errors import Fault, Refusal
from shop.text import did_you_mean

MOST_TOLD = 100
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t"}


class Command(BaseCommand):
    """Import products; exits 1 where a line has an error."""

    help = (
        "Add or update products by SKU from a CSV; harmless to repeat. The first line names the columns: "
        f"{', '.join(api.COLUMNS)}. A column that is missing leaves products as they are. See docs/how-to/import-products.md."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the file, and how to go about it."""
        parser.add_argument("file", help="a CSV in UTF-8; - for standard input")
        parser.add_argument(
            "--reference",
            default="",
            help="what the units in the column `receive` came with; they are received once per reference",
        )
        parser.add_argument("--keep-going", action="store_true", help="skip lines with errors and import the others")
        parser.add_argument("--dry-run", action="store_true", help="print what would be done, and write nothing")
        parser.add_argument(
            "--delimiter", choices=DELIMITERS, default="comma", help="what separates cells (default: comma)"
        )

    def handle(self, *args: Any, file: str, **options: Any) -> None:
        """Run the use case and print its report."""
        try:
            with _opened(file) as rows:
                report = api.import_products(
                    rows=rows,
                    delimiter=DELIMITERS[options["delimiter"]],
                    reference=options["reference"],
                    keep_going=options["keep_going"],
                    dry_run=options["dry_run"],
                    progress=self._tell_progress if options["verbosity"] else lambda *_: None,
                )
        except OSError as error:
            raise CommandError(f"{file} cannot be read: {error.strerror or error}") from error
        except api.UnreadableFile as error:
            raise CommandError(f"{file}: {error}; nothing was imported") from error
        except (Refusal, Fault) as error:
            raise CommandError(f"{error}; run it again: it resumes where it stopped") from error
        self._tell(report, dry_run=options["dry_run"])

    def _tell_progress(self, doing: str, done: int, total: int) -> None:
        self.stderr.write(f"{doing} {done} of {total}", style_func=str)

    def _tell(self, report: api.ImportReport, *, dry_run: bool) -> None:
        for error in report.errors[:MOST_TOLD]:
            self.stderr.write(str(error))
        if len(report.errors) > MOST_TOLD:
            self.stderr.write(f"and {len(report.errors) - MOST_TOLD} more lines with errors")
        if report.written or dry_run:
            self.stdout.write(
                f"{'it would be: ' if dry_run else ''}{report.added} added, {report.changed} changed, "
                f"{report.unchanged} unchanged; {report.received} units received"
                + (f", {report.received_before} were received before" if report.received_before else "")
            )
        for name, others in orders.find_untaxed_classes(tax_classes=report.tax_classes).items():
            self.stderr.write(
                f"tax class {name}: no active tax rate is for it, so its products are sold without tax.{did_you_mean(others)}"
            )
        if report.errors:
            outcome = "the others were imported" if report.written else "nothing was imported"
            raise CommandError(f"{len(report.errors)} of {report.lines} lines have errors; {outcome}")


@contextmanager
def _opened(file: str) -> Iterator[TextIO]:
    if file == "-":
        yield sys.stdin
        return
    with Path(file).open(encoding="utf-8-sig", newline="") as rows:
        yield rows
