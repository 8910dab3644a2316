from importlib import import_module

from django.db import migrations

BEFORE = import_module("orders.migrations.0013_room_to_wait").ROOM_TO_WAIT.replace("CREATE", "CREATE OR REPLACE")

# VOLATILE, so that each statement in it has a snapshot of its own: it sees what the locks have waited for. The locks are
# taken in one order, the customer's first, then the lower key's, so that no two orders wait for each other.
#
# `waiting`: null for an order that is being placed, else the order with a payment method whose customer has to act.
# An order that brings its payment method holds stock in PENDING only while it is walked, so it counts from
# AWAITING_PAYMENT on. Orders without a payment method never keep out another customer's order with one, and whoever has
# verified a mailbox (`verified`) is not kept out by those who only name it.
#
# What a guest has placed counts for the guest's mailbox, also once an account has taken it along (`guest_id`): anybody may have
# named that mailbox, and the account would be kept from ordering by orders that it has not placed.
ROOM_TO_WAIT = """
CREATE OR REPLACE FUNCTION orders.orders_room_to_wait(
    customer uuid, email bigint, verified boolean, address bigint, wanted_lines jsonb, judges boolean, waiting uuid,
    most_orders bigint, pieces bigint, share double precision, place_factor bigint,
    OUT unpaid bigint, OUT over_rule text, OUT over_sku text, OUT over_wanted bigint, OUT over_held bigint,
    OUT over_allowed bigint, OUT open_orders text
) LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('orders of ' || customer, 0));
    IF judges THEN
        PERFORM pg_advisory_xact_lock(least(email, address));
        PERFORM pg_advisory_xact_lock(greatest(email, address));
    END IF;
    unpaid := (
        SELECT count(*) FROM orders.orders_order
        WHERE customer_id = customer AND guest_id IS NULL AND status IN ('PENDING', 'AWAITING_PAYMENT', 'CONFIRMING')
    );
    IF judges AND (waiting IS NULL OR EXISTS (SELECT FROM orders.orders_order WHERE id = waiting AND unjudged)) THEN
        SELECT
            CASE
                WHEN judged.of_customer + judged.wanted > judged.for_customer THEN 'customer'
                WHEN judged.of_mailbox + judged.wanted > judged.for_mailbox THEN 'email'
                ELSE 'address'
            END AS rule,
            judged.sku, judged.wanted, judged.of_customer, judged.for_customer
        INTO over_rule, over_sku, over_wanted, over_held, over_allowed
        FROM (
            SELECT
                sums.*,
                greatest(pieces, floor(share * (sums.free + sums.of_customer))::bigint) AS for_customer,
                greatest(pieces, floor(share * (sums.free + sums.of_mailbox))::bigint) AS for_mailbox,
                place_factor * greatest(pieces, floor(share * (sums.free + sums.of_place))::bigint) AS for_place
            FROM (
                SELECT
                    wanted.sku, wanted.quantity AS wanted, wanted.free,
                    coalesce(held.of_customer, 0) AS of_customer, coalesce(held.of_mailbox, 0) AS of_mailbox,
                    coalesce(held.of_place, 0) AS of_place
                FROM (
                    SELECT line.sku, sum(line.quantity)::bigint AS quantity, max(line.free) AS free
                    FROM jsonb_to_recordset(wanted_lines) AS line (sku text, quantity bigint, free bigint)
                    GROUP BY line.sku
                ) AS wanted
                LEFT JOIN (
                    SELECT
                        line.sku,
                        sum(line.quantity) FILTER (
                            WHERE placed.customer_id = customer AND placed.guest_id IS NULL
                        )::bigint AS of_customer,
                        sum(line.quantity) FILTER (
                            WHERE placed.email_key = email AND (
                                placed.customer_id = customer AND placed.guest_id IS NULL
                                OR (placed.email_verified OR NOT verified) AND (placed.pays_at_once OR waiting IS NULL)
                            )
                        )::bigint AS of_mailbox,
                        sum(line.quantity) FILTER (
                            WHERE placed.address_key = address
                            AND (
                                placed.customer_id = customer AND placed.guest_id IS NULL
                                OR placed.pays_at_once OR waiting IS NULL
                            )
                        )::bigint AS of_place
                    FROM orders.orders_order AS placed JOIN orders.orders_orderline AS line ON line.order_id = placed.id
                    WHERE
                        placed.status IN ('PENDING', 'AWAITING_PAYMENT')
                        AND (placed.customer_id = customer OR placed.email_key = email OR placed.address_key = address)
                        AND (placed.status = 'AWAITING_PAYMENT' OR NOT placed.pays_at_once)
                        AND placed.id IS DISTINCT FROM waiting
                    GROUP BY line.sku
                ) AS held ON held.sku = wanted.sku
            ) AS sums
        ) AS judged
        WHERE
            judged.of_customer + judged.wanted > judged.for_customer
            OR judged.of_mailbox + judged.wanted > judged.for_mailbox
            OR judged.of_place + judged.wanted > judged.for_place
        ORDER BY
            judged.of_customer + judged.wanted > judged.for_customer DESC,
            judged.of_mailbox + judged.wanted > judged.for_mailbox DESC, judged.sku
        LIMIT 1;
    END IF;
    IF unpaid >= most_orders OR over_sku IS NOT NULL THEN
        open_orders := (
            SELECT jsonb_agg(jsonb_build_array(own.id, own.number, own.status) ORDER BY own.id)::text
            FROM (
                SELECT placed.id, placed.number, placed.status FROM orders.orders_order AS placed
                WHERE
                    placed.customer_id = customer AND placed.guest_id IS NULL
                    AND placed.status IN ('PENDING', 'AWAITING_PAYMENT', 'CONFIRMING')
                    AND placed.id IS DISTINCT FROM waiting
                    AND (
                        unpaid >= most_orders
                        OR placed.status <> 'CONFIRMING' AND EXISTS (
                            SELECT FROM orders.orders_orderline AS line
                            WHERE line.order_id = placed.id AND line.sku = over_sku
                        )
                    )
                ORDER BY placed.id LIMIT 20
            ) AS own
        );
    END IF;
END $$;
"""


class Migration(migrations.Migration):
    """Has what a guest placed limit no account that took it along. Same function: the release before calls it, too."""

    dependencies = [("orders", "0020_codes_are_stock")]

    operations = [migrations.RunSQL(ROOM_TO_WAIT, BEFORE)]
