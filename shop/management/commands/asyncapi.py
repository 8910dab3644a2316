"""`manage.py asyncapi`: what this installation tells outsiders, as an AsyncAPI 3 document."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from django.core.management.base import BaseCommand, CommandParser

from shop.events import catalogue


class _Dumper(yaml.SafeDumper):
    """Writes a text of several lines as one block, and writes out what appears twice."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write no anchors, which readers of a document stumble over."""
        return True


def _write_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _write_text)


class Command(BaseCommand):
    """Print the document, or write it to a file."""

    help = "Print the events of this installation as an AsyncAPI 3 document (YAML)."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the file."""
        parser.add_argument("--file", type=Path, help="write it there instead")

    def handle(self, *args: Any, file: Path | None, **options: Any) -> None:
        """Print or write."""
        text = yaml.dump(catalogue.document(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
        if file is None:
            self.stdout.write(text, ending="")
        else:
            file.write_text(text)
