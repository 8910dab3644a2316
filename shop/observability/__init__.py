"""What the system says about itself: structured logs, traces, metrics, health."""
