#!/usr/bin/env python3
"""Django's command line. In a checkout any Python will do: it goes on with the one of .venv."""

import os
import sys
from pathlib import Path

OWN_PYTHON = Path(__file__).resolve().parent / ".venv" / "bin" / "python"


def main() -> None:
    """Run a management command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.development")
    try:
        from config import command_line  # noqa: PLC0415  another Python may lack what it imports
    except ModuleNotFoundError:
        if not OWN_PYTHON.exists() or os.environ.get("SHOP_OWN_PYTHON"):
            raise
        os.environ["SHOP_OWN_PYTHON"] = "tried"
        os.execv(OWN_PYTHON, [str(OWN_PYTHON), *sys.argv])  # noqa: S606  our own interpreter, our own arguments

    command_line.main(sys.argv)


if __name__ == "__main__":
    main()
