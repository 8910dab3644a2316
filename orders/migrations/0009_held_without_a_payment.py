from django.db import migrations, models

# VOLATILE, so that each statement in it has a snapshot of its own: it sees what the locks have waited for. The locks are
# taken in one order, the customer's first, then the lower key's, so that no two orders wait for each other.
#
# An order that brings its payment method is held against what its own customer holds, and only where that is something:
# its payment is decided within the request, and no stranger who names the same address may keep it out.
ROOM_FOR_AN_ORDER = """
CREATE FUNCTION orders.orders_room_for(
    customer uuid, email bigint, address bigint, wanted_lines jsonb, pays boolean, pieces bigint, share double precision,
    OUT unpaid bigint, OUT over_sku text, OUT over_wanted bigint
) LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF pays THEN
        email := NULL;
        address := NULL;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('orders of ' || customer, 0));
    PERFORM pg_advisory_xact_lock(least(email, address));
    PERFORM pg_advisory_xact_lock(greatest(email, address));
    unpaid := (
        SELECT count(*) FROM orders.orders_order
        WHERE customer_id = customer AND status IN ('PENDING', 'AWAITING_PAYMENT', 'CONFIRMING')
    );
    IF pays AND unpaid = 0 THEN
        RETURN;
    END IF;
    SELECT judged.sku, judged.wanted INTO over_sku, over_wanted
    FROM (
        SELECT
            wanted.sku, wanted.quantity AS wanted, coalesce(held.quantity, 0) AS held,
            greatest(pieces, floor(share * (wanted.free + coalesce(held.quantity, 0)))::bigint) AS allowed
        FROM (
            SELECT line.sku, sum(line.quantity)::bigint AS quantity, max(line.free) AS free
            FROM jsonb_to_recordset(wanted_lines) AS line (sku text, quantity bigint, free bigint)
            GROUP BY line.sku
        ) AS wanted
        LEFT JOIN (
            SELECT line.sku, sum(line.quantity)::bigint AS quantity
            FROM orders.orders_order AS placed JOIN orders.orders_orderline AS line ON line.order_id = placed.id
            WHERE
                placed.status IN ('PENDING', 'AWAITING_PAYMENT')
                AND (placed.customer_id = customer OR placed.email_key = email OR placed.address_key = address)
            GROUP BY line.sku
        ) AS held ON held.sku = wanted.sku
    ) AS judged
    WHERE judged.held + judged.wanted > judged.allowed AND (judged.held > 0 OR NOT pays)
    ORDER BY judged.sku LIMIT 1;
END $$;
"""


class Migration(migrations.Migration):
    """Adds the function that judges an order's room and what it looks at; the release before uses neither."""

    dependencies = [("orders", "0008_facts_by_publication")]

    operations = [
        migrations.AddField(model_name="order", name="email_key", field=models.BigIntegerField(editable=False, null=True)),
        migrations.AddField(model_name="order", name="address_key", field=models.BigIntegerField(editable=False, null=True)),
        migrations.RunSQL(
            ROOM_FOR_AN_ORDER,
            "DROP FUNCTION orders.orders_room_for(uuid, bigint, bigint, jsonb, boolean, bigint, double precision);",
        ),
    ]
