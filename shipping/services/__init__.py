"""Use cases of shipping: shipments.py moves a shipment, booking.py asks the carrier and hands it the result."""
