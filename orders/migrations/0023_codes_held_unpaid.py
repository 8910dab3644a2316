from django.db import migrations

# VOLATILE, so that each statement in it has a snapshot of its own: it counts what was committed while it waited for the locks.
#
# A use is held unpaid where no payment of its order was accepted. An order that brought its payment method counts once that
# waits for its customer, or is undone: in PENDING it is only walked.
LOCK_CODES = """
CREATE FUNCTION orders.orders_lock_codes(
    code_ids bigint[], judges boolean, share double precision, OUT code_id bigint, OUT crowded boolean
) RETURNS SETOF record LANGUAGE plpgsql VOLATILE ROWS 5 AS $$
BEGIN
    PERFORM FROM orders.orders_discountcode AS code WHERE code.id = ANY(code_ids) ORDER BY code.id FOR NO KEY UPDATE;
    RETURN QUERY
        SELECT
            code.id,
            judges AND code.max_uses IS NOT NULL AND code.max_uses > code.held + code.used
            AND unpaid.uses >= greatest(1, floor(share::numeric * (code.max_uses - code.held - code.used + unpaid.uses)))
        FROM orders.orders_discountcode AS code CROSS JOIN LATERAL (
            SELECT count(*) AS uses
            FROM orders.orders_codeuse AS use JOIN orders.orders_order AS placed ON placed.id = use.order_id
            WHERE
                judges AND code.max_uses IS NOT NULL AND use.code_id = code.id AND use.status = 'HELD'
                AND placed.status IN ('PENDING', 'AWAITING_PAYMENT', 'CANCELING')
                AND (placed.status <> 'PENDING' OR NOT placed.pays_at_once)
        ) AS unpaid
        WHERE code.id = ANY(code_ids);
END $$;
"""


class Migration(migrations.Migration):
    """Adds the function that locks codes and judges what is held of them unpaid; the release before does not call it."""

    dependencies = [("orders", "0022_hold_extended")]

    operations = [
        migrations.RunSQL(LOCK_CODES, "DROP FUNCTION orders.orders_lock_codes(bigint[], boolean, double precision);")
    ]
