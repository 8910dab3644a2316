-- Extend the time to pay of an order that waits for its payment, once, unless it is over. A saga that rests until the
-- deadline rests until the new one, or for as long as one may rest.
-- Locks: the order's row, then its saga's. Returns nothing where the order is not as that takes.
WITH extended AS (
    UPDATE orders_order SET
        pay_before = pay_before + make_interval(secs => %(seconds)s::double precision),
        hold_extension = %(operation_id)s::uuid
    WHERE
        id = %(order_id)s::uuid AND status = 'AWAITING_PAYMENT' AND total_minor > 0 AND hold_extension IS NULL
        AND pay_before > statement_timestamp()
    RETURNING id, version, pay_before, pay_before - make_interval(secs => %(seconds)s::double precision) AS before
), rests AS (
    UPDATE orders_saga AS saga SET
        due_at = least(
            extended.pay_before + interval '1 millisecond',
            statement_timestamp() + make_interval(secs => %(longest_rest)s::double precision)
        )
    FROM extended
    WHERE
        saga.order_id = extended.id AND saga.name = 'checkout' AND saga.finished_at IS NULL
        AND saga.waiting_for = 'payment_method' AND saga.due_at = extended.before + interval '1 millisecond'
)
SELECT version FROM extended
