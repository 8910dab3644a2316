"""What the shop runs with under the bench: production's behavior on this machine's addresses, everything switched on."""

# ruff: noqa: F403, F405  settings build on settings
from __future__ import annotations

from local.settings import *

SECRET_KEY = "bench-only-not-a-secret-" + "x" * 40
ALLOWED_HOSTS = ["*"]
LOG_FORMAT = env.str("LOG_FORMAT", "json")
SHIPPING_CARRIER = "sandbox"
# Booked is where a parcel's part of the measured work ends.
SANDBOX_CARRIER_TRANSIT_SECONDS = 1_000_000.0
# The clients are few and quick; the counters still count.
REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"] = {"customer": "1000000/min", "anonymous": "1000000/min"}
MAX_OPEN_ORDERS_PER_CUSTOMER = 10_000
MAX_HELD_UNPAID_PIECES = 1_000_000
MAX_UNPAID_ORDER_EMAILS = 1_000_000
DATABASE_ASYNCHRONOUS_COMMIT = env.bool("DATABASE_ASYNCHRONOUS_COMMIT", True)
# "stripe", or "free": a provider in the process that costs nothing.
BENCH_PROVIDER = env.str("BENCH_PROVIDER", "stripe")
# A folder: each task, published message and the like leaves a line there.
BENCH_COUNTS = env.str("BENCH_COUNTS", "")
# A folder: the way of each confirmed order's fact leaves its stamps there.
BENCH_STAGES = env.str("BENCH_STAGES", "")
INSTALLED_APPS = [*INSTALLED_APPS, "tests.load.apps.BenchConfig"]
