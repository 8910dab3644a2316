"""Use cases of shipping: shipments.py moves a shipment, booking.py and stopping.py ask the carrier and hand it the result."""
