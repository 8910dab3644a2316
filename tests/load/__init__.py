"""What an order costs, measured beside the article's way (docs/performance.md). `make bench` runs `python -m tests.load`."""
