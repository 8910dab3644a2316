"""The ground every context stands on: money, time, ids, transactions, events, resilience, the API edge.

Owns: no business fact. Knows no context: nothing here may import orders, inventory, payments, shipping or notifications.

Its floors, each of which imports only what is below (.importlinter):
the ways in: apps.py, admin/ (pages for staff), management/ (commands), storefront/ (the reference one), tasks.py (workers)
personal/ (a person's data, its export and erasure)
rest/ (the API's edge), audit/ (the promises as checks), story/ (what happened to one order)
states.py (a status and its moves)
events/ (the bus)
work/ (what is due, and who does it)
models.py, accounts/ (who signs in, and what staff may do), observability/ (logs, traces, metrics)
resilience/ (an outside that fails, a rush)
the database: database/ (a schema per context, the pool), transactions.py, statements.py, retention.py and what they need
actors.py (who acts)
values and names: money.py, ids.py, errors.py, text.py, contexts.py, topology.py (RabbitMQ) and their like
"""
