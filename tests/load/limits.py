"""What one order may cost through the whole system. These may fall; they never rise.

`python -m tests.load.counts` (with `inline`: without a broker) prints the figures as they are now, with a listing of every
statement, task, message, log line and span.
"""

WITH_BROKER = {
    "statements": 38,
    "transactions": 32,
    "writing commits": 25,
    "tasks": 2,
    "messages": 9,
    "log lines": 6,
    "log bytes": 2_500,
    "spans": 32,
}
INLINE = {
    "statements": 38,
    "transactions": 31,
    "writing commits": 25,
    "tasks": 0,
    "messages": 0,
    "log lines": 6,
    "log bytes": 2_500,
    "spans": 32,
}
