"""The rows of the bench: each function measures one scenario and gives the rows that it feeds."""

from tests.load.rows import accepting, bus, growth, hearing, idle, orders, oscar, request, reserve, slow

# In an order in which few stacks are started and stopped. An idle shop and a single client come first: after a load
# PostgreSQL tidies up for a while.
SCENARIOS = (
    idle.idle,
    orders.cpu,
    orders.rate8,
    orders.rate64,
    orders.hot64,
    request.request8,
    hearing.hearing,
    accepting.async_accept,
    oscar.oscar,
    orders.own_spread,
    orders.own_hot,
    reserve.reserve_hot,
    reserve.reserve_spread,
    reserve.expiry,
    bus.relay,
    bus.facts,
    slow.slow_provider,
    growth.growth,
)
# Which rows a scenario feeds, where that is not the one of its own name.
FED = {
    "rate64": ("rate64", "p99_64"),
    "request8": ("request8", "request_statements", "request_commits"),
    "hearing": ("hearing", "hearing_p99"),
    "slow_provider": ("slow_provider", "slow_connections"),
    "idle": ("idle_cpu", "idle_statements", "idle_lines"),
}
