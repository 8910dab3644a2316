"""The article's way of taking an order, as good plain Django: one view, the ORM, SELECT FOR UPDATE, three calls to Stripe.

It is what the shop is held against. No outbox, saga, idempotency key or sweep: what that costs it is in
tests/acceptance/test_article_flaws.py.
"""
