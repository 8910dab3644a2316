"""`python -m tests.chaos.simulator`."""

import sys

from tests.chaos.simulator.campaign import main

if __name__ == "__main__":
    sys.exit(main())
