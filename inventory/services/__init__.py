"""Inventory's use cases: one function is one transaction of this context.

Every one takes its locks in the same order, so that none can deadlock with another: reservations by id, then stock by
SKU, as late as possible. The work on the database's side is in `ledger.py`.
"""
