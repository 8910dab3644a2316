-- A run that still has its place leaves it, or keeps it for one more where somebody has asked again meanwhile.
UPDATE shop_runningsweep
SET until = clock_timestamp() + make_interval(secs => CASE WHEN asked_again AND %(may_go_on)s::bool THEN %(seconds)s::float8 ELSE 0 END),
    asked_again = FALSE
WHERE sweep = %(sweep)s AND place = %(place)s::smallint AND until = %(until)s::timestamptz
RETURNING until, until > clock_timestamp() AS goes_on
