"""Payments: takes, captures and gives back the money of an order through a card provider.

Owns: what was asked of the provider and what it answered: payments, refunds, its webhooks, stray money.
Does not own: why an order is paid or canceled (orders), cards (the provider keeps them; a token's id is all we hold).
Publishes: payment.* and refund.*.
Hears: nothing; the provider's webhooks come by POST /webhooks/<its name>.
"""
