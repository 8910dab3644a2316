"""`python -m tests.proof.upgrade.record 0.1.0`: write down what this release leaves in flight. Once, at the release."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

RECORDING = Path(__file__).with_name("recording.py")


def main() -> int:
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python -m tests.proof.upgrade.record VERSION\n")
        return 2
    os.environ["RECORD_RELEASE"] = sys.argv[1]
    return int(pytest.main(["-q", "-p", "no:randomly", "--timeout=1800", "--show-capture=no", str(RECORDING)]))


if __name__ == "__main__":
    sys.exit(main())
