"""What a shop on one's own machine is set to: the system's base, and stand-ins for what the environment does not name."""

import os

from local import running
from local.postgres import embedded_url

# Before the base reads the environment.
running.join(os.environ)

from config.databases import asynchronous_commit_from_env, databases_from_env
from config.settings.base import *

INSTALLED_APPS = [*INSTALLED_APPS, "local", "local.carrier"]
EMBEDDED_URL = embedded_url(env.ENVIRON)
DATABASES = databases_from_env(env.ENVIRON, otherwise=EMBEDDED_URL)
DATABASE_ASYNCHRONOUS_COMMIT = asynchronous_commit_from_env(env.ENVIRON, DATABASES)
if not env.str("DATABASE_URL", ""):
    DATABASE_ADVICE = "Start it with `make run`, or with `python -m local start`; or set DATABASE_URL."
DATABASE_ROUTERS = ["local.carrier.router.CarrierRouter", *DATABASE_ROUTERS]

STRIPE_API_KEY = env.str("STRIPE_API_KEY", "") or "sk_test_sandbox"
STRIPE_API_BASE = env.str("STRIPE_API_BASE", "" if env.str("STRIPE_API_KEY", "") else "http://127.0.0.1:12111")
STRIPE_TEST_BANK = "" if env.str("STRIPE_API_KEY", "") else STRIPE_API_BASE
STRIPE_WEBHOOK_SECRETS = env.list("STRIPE_WEBHOOK_SECRETS", default=["whsec_sandbox"])

SHIPPING_CARRIERS = {**SHIPPING_CARRIERS, "sandbox": "local.carrier.gateway.SandboxCarrier"}
SHIPPING_CARRIER = env.str("SHIPPING_CARRIER", "sandbox")
SANDBOX_CARRIER_TRANSIT_SECONDS = env.float("SANDBOX_CARRIER_TRANSIT_SECONDS", 60.0)
ADMIN_SECTIONS = {**ADMIN_SECTIONS, "carrier": "toys"}

# seed_demo makes users whose passwords everybody knows.
DEMO_DATA_ALLOWED = True
