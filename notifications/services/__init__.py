"""Use cases of notifications: emails.py queues and requeues, sending.py renders and sends."""
