"""`python -m tests.proof.simulator`."""

import sys

from tests.proof.simulator.campaign import main

if __name__ == "__main__":
    sys.exit(main())
