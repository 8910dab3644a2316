"""The soak: the shop as processes at a share of its capacity for minutes or hours, while dependencies fail around it."""
