"""Inventory's use cases: one function is one transaction of this context, or a few that each leave a whole state.

Locks are taken in one order, so that nobody waits in a circle: the order (Note [One at a time for an order] in
sql/reserve_stock.sql), reservations by id, then stock by SKU, as late as possible. Only a new reservation is inserted
after its stock is locked, and whoever inserts one waits for nothing more.
"""
