-- The runs of a sweep look once more before they end; no row where none is running. See begin_run.sql for `seconds`.
UPDATE shop_runningsweep SET asked_again = TRUE
WHERE sweep = %(sweep)s AND until > clock_timestamp()
    AND until <= clock_timestamp() + make_interval(secs => %(seconds)s::float8)
RETURNING place
