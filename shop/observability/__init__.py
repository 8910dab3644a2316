"""What the system says about itself: structured logs, traces, metrics. Health checks are in shop/rest/."""
