"""`python -m tests.browser.shop HOME`: the shop as `make run` has it, with demo products, until its input ends.

It prints its address once it serves. DATABASE_URL names an empty database.
"""

from __future__ import annotations

import sys
from pathlib import Path

from local.stack import Stack, prepare_django

# Nothing is slowed down by who shops quickly, and no parcel leaves while somebody cancels.
SETTINGS = {
    "API_RATE_ANONYMOUS": "100000/min",
    "API_RATE_CUSTOMER": "100000/min",
    "API_RATE_DECLINED_CARDS": "100000/hour",
    "API_RATE_DECLINED_CARDS_OF_MANY": "100000/hour",
    "SANDBOX_CARRIER_TRANSIT_SECONDS": "3600",
    "MAX_OPEN_ORDERS_PER_CUSTOMER": "100",
}


def main(home: Path) -> None:
    stack = Stack(home=home, keeps_state=False, settings=SETTINGS | {"EMAIL_URL": f"filemail:///{home / 'mail'}"})
    stack.settings["STOREFRONT_URL"] = stack.url
    try:
        stack.start_database()
        prepare_django()
        from django.core.management import call_command

        call_command("seed_demo", prices=True, verbosity=0)
        stack.start_services(say=lambda _line: None)
        sys.stdout.write(f"{stack.url}\n")
        sys.stdout.flush()
        sys.stdin.read()
    finally:
        stack.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
