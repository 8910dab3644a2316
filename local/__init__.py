"""A shop on one's own machine: what stands in for the world there, and what starts and shows it.

`stripe` stands in for the payment provider, `carrier` for the carrier, `postgres` and `rabbitmq` for servers of one's own;
`run` and `demo` start all of it. Only the settings of development and tests know of this package; production has none of it.
"""
