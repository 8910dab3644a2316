"""Use cases of shipping: shipments.py moves a shipment, booking.py, stopping.py and surplus.py ask the carrier, bookings.py records its yes."""
