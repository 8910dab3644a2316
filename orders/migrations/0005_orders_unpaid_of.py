from django.db import migrations

# VOLATILE, so that each statement in it has a snapshot of its own: the count sees what the lock has waited for. In one
# statement with the lock it would count by a snapshot that is older than the wait, and let two orders into one place.
COUNT_AFTER_LOCK = """
CREATE FUNCTION orders.orders_unpaid_of(customer uuid) RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('orders of ' || customer, 0));
    RETURN (
        SELECT count(*) FROM orders.orders_order
        WHERE customer_id = customer AND status IN ('PENDING', 'AWAITING_PAYMENT', 'CONFIRMING')
    );
END $$;
"""


class Migration(migrations.Migration):
    """Adds the function with which an order is placed in one statement; the release before does not call it."""

    dependencies = [("orders", "0004_searched_by_index")]

    operations = [migrations.RunSQL(COUNT_AFTER_LOCK, "DROP FUNCTION orders.orders_unpaid_of(uuid);")]
