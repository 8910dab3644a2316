"""The ground every context stands on: money, time, ids, transactions, events, resilience, the API edge.

Owns: no business fact. Knows no context: nothing here may import orders, inventory, payments, shipping or notifications.
"""
