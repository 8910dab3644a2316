"""Use cases of shipping: shipments.py moves a shipment, booking.py and stopping.py ask the carrier, bookings.py records its yes."""
