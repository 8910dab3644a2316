"""Inventory: what the shop sells, how much of it there is, and for whom it is kept.

Owns: products (SKU, name, price, what is told of them, when they are sold), stock and its append-only ledger,
reservations with their lines and expiry.
Does not own: orders, carts, what an order owes (orders); money (payments); parcels (shipping).
Publishes: stock.reserved, stock.payment_began, stock.committed, stock.released, stock.expired, stock.returned,
stock.short, stock.low, stock.received, stock.written_off.
Hears: nothing; orders calls its api.
"""
