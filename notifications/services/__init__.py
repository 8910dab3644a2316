"""Use cases of notifications: emails.py queues and requeues, limits.py counts by mailbox, sending.py renders and sends.

order_links.py mails the link of an order on request.
"""
