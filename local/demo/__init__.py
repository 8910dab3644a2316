"""`make demo`: every journey of an order, and who and what the demo shop has."""
