"""A shop with a past: as many finished orders as asked for, with all that they leave behind, written by SQL alone.

`python manage.py shell -c "from tests.load.million import seed; seed(1_000_000)"` on a database of its own. Rows look like
those of real orders; the provider knows nothing of them, and each table has one fact per order, not all of them.
"""

from __future__ import annotations

from django.db import connections

from shop import transactions
from shop.contexts import CONTEXTS
from shop.events.subscribers import all_subscriptions

PRODUCTS = 1000
AN_ORDER = "('00000000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid"
ANOTHER = "('00000000-0000-7000-8{}-' || lpad(to_hex(i), 12, '0'))::uuid"
A_CUSTOMER = "('00000000-0000-7000-9000-' || lpad(to_hex(i / 10), 12, '0'))::uuid"
A_SKU = f"('OLD-' || i % {PRODUCTS})"
THEN = "now() - interval '40 days' + make_interval(secs => i * 3456000.0 / {count})"
# What a column without a default gets where nothing is said about it.
PLAIN = {
    "character varying": "''",
    "text": "''",
    "jsonb": "'{}'",
    "boolean": "false",
    "smallint": "1",
    "integer": "1",
    "bigint": "0",
    "uuid": "gen_random_uuid()",
    "timestamp with time zone": THEN,
}


def seed(count: int) -> None:
    """Write `count` delivered orders in every context, and let PostgreSQL count its tables."""
    _write("inventory", "inventory_product", PRODUCTS, sku=A_SKU, currency="'EUR'", price_minor="1250", active="true")
    _write("inventory", "inventory_stock", PRODUCTS, sku=A_SKU, available="1000", received="1000", version="1")
    _orders(count)
    _others(count)
    for context in CONTEXTS:
        _facts(context, count)
    _people(count)
    for alias in connections:
        with connections[alias].cursor() as cursor:
            cursor.execute("ANALYZE")


def _orders(count: int) -> None:
    _write(
        "orders", "orders_order", count, id=AN_ORDER, number="upper(lpad(to_hex(i), 10, '0'))", customer_id=A_CUSTOMER,
        idempotency_key="i::text", status="'DELIVERED'", version="6", total_minor="1250", currency="'EUR'",
        confirmed_at=THEN, closed_at=THEN,
    )  # fmt: skip
    _write(
        "orders", "orders_orderline", count, order_id=AN_ORDER, position="1", sku=A_SKU, quantity="1",
        unit_price_minor="1250",
    )  # fmt: skip
    _write(
        "orders", "orders_contact", count, order_id=AN_ORDER, email="'c' || i / 10 || '@shop.example'", country="'PT'"
    )
    _write(
        "orders", "orders_saga", count, id=ANOTHER.format("001"), order_id=AN_ORDER, name="'checkout'", log="'[]'",
        finished_at=THEN,
    )  # fmt: skip


def _others(count: int) -> None:
    _write("inventory", "inventory_reservation", count, order_id=AN_ORDER, status="'COMMITTED'", version="2")
    _write("inventory", "inventory_reservationline", count, reservation_id=AN_ORDER, sku=A_SKU, quantity="1")
    _write(
        "inventory", "inventory_stockmovement", count, sku=A_SKU, kind="'RESERVED'", available_delta="-1",
        reserved_delta="1", order_id=AN_ORDER,
    )  # fmt: skip
    _write(
        "payments", "payments_payment", count, order_id=AN_ORDER, status="'CAPTURED'", amount_minor="1250",
        currency="'EUR'", captured_minor="1250", intent_id="'pi_old_' || i", version="4",
    )  # fmt: skip
    _write(
        "payments", "payments_webhookevent", count, event_id="'evt_old_' || i", intent_id="'pi_old_' || i",
        type="'payment_intent.succeeded'", applied_at=THEN, attempts="0", outcome="'applied'",
    )  # fmt: skip
    _write(
        "shipping", "shipping_shipment", count, id=ANOTHER.format("002"), order_id=AN_ORDER, status="'DELIVERED'",
        carrier="'sandbox'", carrier_reference="'SBX-' || i", tracking_number="'T' || i",
    )  # fmt: skip
    _write(
        "notifications", "notifications_email", count, id=ANOTHER.format("003"), order_id=AN_ORDER, cause_id=AN_ORDER,
        kind="'order_confirmed'", status="'SENT'", sent_at=THEN,
    )  # fmt: skip


def _facts(context: str, count: int) -> None:
    _write(
        context, f"{context}_outbox", count, type="'an.event'", aggregate_id=AN_ORDER, published_at=THEN,
        occurred_at=THEN, attempts="0",
    )  # fmt: skip
    hearing = sorted(
        each.name for several in all_subscriptions().values() for each in several if each.context == context
    )
    if hearing:
        _write(
            context, f"{context}_inbox", count, subscriber=f"'{hearing[0]}'", event_id=ANOTHER.format("004"),
            event_type="'an.event'", status="'PROCESSED'", received_at=THEN,
        )  # fmt: skip


def _people(count: int) -> None:
    _write(
        "shop", "shop_idempotencykey", count, user_id=A_CUSTOMER, key="i::text", method="'POST'",
        path="'/api/v1/orders'", response_status="201", created_at=THEN,
    )  # fmt: skip
    customers = count // 10
    of_ten = A_CUSTOMER.replace("i / 10", "i")
    _write("shop", "shop_user", customers, id=of_ten, email="'c' || i || '@shop.example'", is_active="true")
    _write(
        "shop", "django_session", count, session_key="'old' || i",
        expire_date=THEN.replace("40 days", "8 hours"),
    )  # fmt: skip


def _write(context: str, table: str, count: int, **columns: str) -> None:
    """Insert `count` rows, numbered `i` in the given expressions; what is left out gets its default or a plain value."""
    connection = connections[transactions.alias_for(context)]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = %s AND is_nullable = 'NO'"
            " AND column_default IS NULL AND is_identity = 'NO'",
            [table],
        )
        wanted = {name: PLAIN[kind] for name, kind in cursor.fetchall()} | columns
        names, values = ", ".join(wanted), ", ".join(wanted.values()).replace("{count}", str(count))
        cursor.execute(f"INSERT INTO {table} ({names}) SELECT {values} FROM generate_series(0, {count - 1}) AS i")
