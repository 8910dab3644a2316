"""The order and its way through checkout.

Owns: orders, their lines and prices as sold, who gets them (contact), the sagas and their compensations.
Does not own: stock (inventory), money (payments), parcels (shipping), mail (notifications).
Publishes: order.placed, .awaiting_payment, .confirming, .confirmed, .canceling, .canceled, .shipped, .delivered,
.refunding, .refunded, .refund_issued, .refund_returned, .taken_along, .hold_extended.
Hears: payment.authorized, .captured, .failed, .voided, .refunded, .dispute_closed, refund.failed, stock.expired,
shipment.dispatched, .delivered.
Start reading at sagas/checkout.py.
"""
