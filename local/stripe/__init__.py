"""A stand-in for Stripe: a separate process that speaks the part of its HTTP API the shop uses.

Stripe's own SDK is its client, unpatched. What it knows survives a restart; what can go wrong between a shop and its
provider (lost, late, repeated, failed answers) can be asked for under /sandbox/. Imports nothing of the project.
"""

from local.stripe.server import Sandbox

__all__ = ["Sandbox"]
