"""How the system meets an outside that fails, and a rush: backoff, time limits, circuit breakers, admission."""
