"""Production's settings with the sandbox carrier: what compose and the Kubernetes development overlay start with.

No command of a checkout is there (`seed_demo` makes users whose passwords everybody knows), and nothing that is missing is
made up.
"""

from config.settings.production import *

INSTALLED_APPS = [*INSTALLED_APPS, "local.carrier"]
DATABASE_ROUTERS = ["local.carrier.router.CarrierRouter", *DATABASE_ROUTERS]
SHIPPING_CARRIERS = {**SHIPPING_CARRIERS, "sandbox": "local.carrier.gateway.SandboxCarrier"}
SANDBOX_CARRIER_TRANSIT_SECONDS = env.float("SANDBOX_CARRIER_TRANSIT_SECONDS", 60.0)
# Where a browser reaches the sandbox, which stands in for the customer's bank; nowhere, with the real Stripe.
STRIPE_TEST_BANK = env.str("STRIPE_TEST_BANK", "") if STRIPE_API_BASE else ""
ADMIN_SECTIONS = {**ADMIN_SECTIONS, "carrier": "toys"}
