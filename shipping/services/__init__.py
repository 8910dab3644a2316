"""Use cases of shipping.

shipments.py moves a shipment; booking.py, stopping.py, surplus.py and unbooking.py ask the carrier; bookings.py records
its yes.
"""
