"""The services a checkout needs, started on the developer's or CI's own machine. Never used in production."""
