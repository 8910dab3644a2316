"""Stripe, and all that is Stripe's: its words, its signatures and its way of counting money are known to nobody else.

adapter.py: the port, by Stripe's own SDK. words.py, snapshots.py, amounts.py: Stripe's words and figures, and ours.
errors.py: what an error tells. webhooks.py: signatures. calls.py, http.py, lists.py: how requests travel.
"""
