"""How the system meets an outside that fails: backoff, timeouts, circuit breakers."""
