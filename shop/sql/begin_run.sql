-- A run of a sweep takes one of the sweep's places; no row where all are taken. Two that want the same place wait for each
-- other by its unique key, and the second gets none. The table is not logged: its commits wait for no disk.
-- Nobody gives a place for longer than `seconds`: one that says it is taken for longer is free.
WITH free AS (
    SELECT wanted.place
    -- (SELECT ...): the planner expects the same of any number, and so plans it once and not at each call.
    FROM generate_series(1, (SELECT %(at_once)s::int)) AS wanted (place)
    WHERE NOT EXISTS (
        SELECT 1 FROM shop_runningsweep AS running
        WHERE running.sweep = %(sweep)s AND running.place = wanted.place AND running.until > clock_timestamp()
            AND running.until <= clock_timestamp() + make_interval(secs => %(seconds)s::float8)
    )
    ORDER BY wanted.place
    LIMIT 1
)
INSERT INTO shop_runningsweep AS running (sweep, place, until, asked_again)
SELECT %(sweep)s, free.place, clock_timestamp() + make_interval(secs => %(seconds)s::float8), FALSE FROM free
ON CONFLICT (sweep, place) DO UPDATE SET until = EXCLUDED.until, asked_again = FALSE
WHERE running.until <= clock_timestamp()
    OR running.until > clock_timestamp() + make_interval(secs => %(seconds)s::float8)
RETURNING place, until
