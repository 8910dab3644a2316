"""The REST API of orders: translates requests to use cases and their outcomes to answers, nothing else."""
