"""The API edge: problem+json, Idempotency-Key, who is calling, pages, throttles, preconditions, OpenAPI, health.

Knows HTTP and no context; a context's rest/ room builds its views from these parts.
"""
