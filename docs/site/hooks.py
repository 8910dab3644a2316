"""What MkDocs does not do: links that leave docs/ lead to the repository, or stand as text where it has no address."""

from __future__ import annotations

# ruff: noqa: INP001  MkDocs reads this file by its path
import os
import posixpath
import re
from pathlib import Path
from typing import Any

REPOSITORY = os.environ.get("SITE_REPOSITORY_URL", "").rstrip("/")
# [text](target), but no image and no address.
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!https?:|mailto:|#)([^)\s]+)\)")


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:
    """Rewrite the links of a page that lead out of docs/, and those that name a folder of it."""
    folder = posixpath.dirname(page.file.src_uri)

    def rewritten(link: re.Match[str]) -> str:
        text, target = link[1], link[2]
        path, hash_, anchor = target.partition("#")
        where = posixpath.normpath(posixpath.join(folder, path)) if path else page.file.src_uri
        if not where.startswith("..") and files.get_file_from_path(where) is not None:
            return link[0]
        in_repository = posixpath.normpath(posixpath.join("docs", where))
        if not (Path(config["config_file_path"]).parent / in_repository).exists():
            return link[0]  # MkDocs says that it leads nowhere, which ends a strict build
        if not REPOSITORY:
            return f"`{in_repository}`" if text.strip("`") in in_repository else f"{text} (`{in_repository}`)"
        return f"[{text}]({REPOSITORY}/{in_repository}{hash_}{anchor})"

    return LINK.sub(rewritten, markdown)
