"""How tests drive a shop: its customers and staff, what they do, what stands in for the world, and a look at its tables."""
