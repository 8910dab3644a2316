"""Small files that several processes read and write."""

import os
from pathlib import Path


def read(path: Path) -> str:
    """Give what a file says, nothing where it isn't there."""
    try:
        return path.read_text().strip()
    except (FileNotFoundError, ProcessLookupError, NotADirectoryError):
        return ""


def read_int(path: Path) -> int | None:
    """Give the number in a file, None where there is none."""
    text = read(path)
    return int(text) if text.isdecimal() else None


def write(path: Path, text: str) -> None:
    """Write a small file at once and readable by its owner alone."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.touch(mode=0o600)
    temporary.write_text(text)
    temporary.replace(path)
