"""Shipping: brings the parcel of a confirmed order to the customer through a carrier.

Owns the shipments, their bookings and tracking numbers, and what shipping costs. Does not own addresses (it reads them from the order when it
books and keeps none), stock, or the order's status.
Publishes: shipment.created, .booked, .unbooked, .dispatched, .delivered, .canceled.
Hears: order.confirmed, and what holds or stops a parcel: payment.dispute_opened, .dispute_changed, .dispute_closed,
.refunded.
"""
