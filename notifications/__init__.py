"""Notifications: tells the customer by email what became of the order.

Owns which mail was caused, sent or given up. Does not own addresses or the order's content (both are read from the
order at the moment of sending and kept nowhere here).
Publishes: email.queued, .sent, .failed, .withheld.
Hears: order.confirmed, .canceled, .shipped, .refunded, .refund_issued, .refund_returned.
"""
