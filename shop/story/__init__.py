"""One order's story, for staff: timeline.py puts together what every context tells for itself, bus.py tells the bus's part."""
