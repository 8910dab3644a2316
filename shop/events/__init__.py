"""The bus: facts leave a context through its outbox and enter another through its inbox.

Outbox row -> relay -> (broker or inline) -> one delivery per subscriber -> handler, exactly once by its inbox row.
"""
