"""The HTTP edge of notifications: who has lost the mail of an order asks for another."""
