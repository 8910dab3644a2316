"""What each release left in flight, as data: a folder per release, written by `python -m tests.proof.upgrade.record`.

    release.json        when it was recorded, its migrations, its events, and each order with the end that it must come to
    rows.jsonl.gz       every row of every context, a line each
    provider.jsonl.gz   the Stripe sandbox's own rows
    messages/           one event of each type and version, as it travels

A recorded release is never changed: what it left in flight is what a shop on that release has in its database.
"""

from __future__ import annotations

import gzip
import json
import tomllib
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
Json = dict[str, Any]


@dataclass(frozen=True)
class Scene:
    """One order in flight. `then` is what its customer, its bank or staff do next; `expected` how it must end."""

    name: str
    order_id: str
    customer: str
    sku: str
    then: str
    expected: Json


@dataclass(frozen=True)
class Release:
    """What one release left."""

    version: str

    @property
    def folder(self) -> Path:
        return HERE / f"v{self.version.replace('.', '_')}"

    @cached_property
    def about(self) -> Json:
        found: Json = json.loads((self.folder / "release.json").read_text())
        return found

    @property
    def recorded_at(self) -> datetime:
        return datetime.fromisoformat(self.about["recorded_at"])

    @property
    def leaves(self) -> list[tuple[str, str]]:
        return [(app, name) for app, name in self.about["leaves"]]

    @property
    def scenes(self) -> list[Scene]:
        return [Scene(**each) for each in self.about["scenes"]]

    def rows(self, name: str) -> dict[str, list[Json]]:
        """Return the rows of `rows` or `provider`, by table."""
        tables: dict[str, list[Json]] = {}
        for line in gzip.decompress((self.folder / f"{name}.jsonl.gz").read_bytes()).splitlines():
            table, row = json.loads(line)
            tables.setdefault(table, []).append(row)
        return tables

    @property
    def messages(self) -> dict[str, Json]:
        """Return the events as they travel, by `type.vN`."""
        return {path.stem: json.loads(path.read_text()) for path in sorted((self.folder / "messages").glob("*.json"))}


def recorded_releases() -> list[Release]:
    """Return every release that was recorded, oldest first."""
    versions = [
        folder.name[1:].replace("_", ".") for folder in HERE.glob("v*_*_*") if (folder / "release.json").exists()
    ]
    return [Release(version) for version in sorted(versions, key=lambda version: [*map(int, version.split("."))])]


def present_version() -> str:
    """Return the version that pyproject.toml names."""
    project = tomllib.loads((HERE.parents[2] / "pyproject.toml").read_text())
    return str(project["project"]["version"])
