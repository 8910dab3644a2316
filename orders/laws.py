"""What orders forbids of its own rows, each law one statement whose rows are violations: subject and detail."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

from django.urls import reverse

from orders.models import CALLED_OFF, DECIDED, ENDED, GOING_BACK, PAID, SENT, UNPAID, Order, OrderStatus
from shop import audit
from shop.audit import SKEW, Law, Violation, in_sql

PAGE = 2000
VALUES = {
    "still": timedelta(seconds=5),
    "stuck": timedelta(minutes=5),
    # The longest that a saga rests (for a payment method), and a little more.
    "longest": timedelta(hours=2),
    # A saga that waits for a bank is woken by the end of the dispute, and looks for itself four times a day.
    "decided": timedelta(hours=7),
    # After its deadline an order is unwound within minutes, or parked for a human.
    "unwound": timedelta(hours=1),
    # No order may be paid for later, whatever RESERVATION_TTL_SECONDS says.
    "payable": timedelta(days=7),
}


_CONFIRMED = in_sql((*PAID, OrderStatus.REFUNDING, OrderStatus.REFUNDED))
_DECIDED = in_sql(DECIDED)
_ORDER = "'order ' || o.id"
_SAGA = "'order ' || s.order_id"

LAWS = (
    Law(
        "I12",
        "an order's total is what its lines and adjustments add up to",
        f"SELECT {_ORDER}, format('its total is %%s; its %%s lines up to position %%s add up to %%s, its %%s adjustments up to"
        " %%s add %%s', o.total_minor, coalesce(l.lines, 0), coalesce(l.last, 0), coalesce(l.total, 0),"
        "  coalesce(a.lines, 0), coalesce(a.last, 0), coalesce(a.added, 0)) FROM orders_order AS o LEFT JOIN"
        " (SELECT order_id, sum(quantity * unit_price_minor) AS total, count(*) AS lines, max(position) AS last"
        "  FROM orders_orderline WHERE order_id >= %(first)s GROUP BY order_id) AS l ON l.order_id = o.id LEFT JOIN"
        " (SELECT order_id, coalesce(sum(amount_minor) FILTER (WHERE NOT included), 0) AS added, count(*) AS lines,"
        "   max(position) AS last FROM orders_adjustment WHERE order_id >= %(first)s GROUP BY order_id) AS a"
        "  ON a.order_id = o.id WHERE o.id >= %(first)s AND (l.total + coalesce(a.added, 0) IS DISTINCT FROM o.total_minor"
        "  OR l.lines <> l.last OR a.lines <> a.last) ORDER BY o.id",
    ),
    Law(
        "I12",
        "the shares of the lines add up to each amount",
        "SELECT 'order ' || a.order_id, format('its adjustment %%s of %%s is shared as %%s among %%s lines', a.position,"
        "  a.amount_minor, a.shares, l.lines) FROM orders_adjustment AS a"
        " LEFT JOIN LATERAL (SELECT count(*) AS lines FROM orders_orderline WHERE order_id = a.order_id) AS l ON true"
        " WHERE a.order_id >= %(first)s AND (cardinality(a.shares) <> l.lines"
        "  OR a.amount_minor IS DISTINCT FROM (SELECT sum(share) FROM unnest(a.shares) AS share)) ORDER BY a.order_id",
    ),
    Law(
        "I12",
        "no line of an order costs less than nothing",
        f"SELECT {_ORDER}, format('its line %%s of %%s costs %%s with its shares', l.position, l.quantity * l.unit_price_minor,"
        "  l.quantity * l.unit_price_minor + a.added) FROM orders_order AS o"
        " JOIN orders_orderline AS l ON l.order_id = o.id"
        " JOIN LATERAL (SELECT sum(shares[l.position]) AS added FROM orders_adjustment WHERE order_id = o.id"
        "  AND NOT included) AS a ON true"
        " WHERE o.id >= %(first)s AND l.quantity * l.unit_price_minor + a.added < 0 ORDER BY o.id",
    ),
    Law(
        "I13",
        "a code's counters are those of its uses",
        "SELECT 'code ' || c.code, format('it counts %%s held and %%s used of %%s; its uses are %%s held and %%s used',"
        "  c.held, c.used, coalesce(c.max_uses::text, 'any number'), coalesce(u.held, 0), coalesce(u.used, 0))"
        " FROM orders_discountcode AS c LEFT JOIN (SELECT code_id, count(*) FILTER (WHERE status = 'HELD') AS held,"
        "  count(*) FILTER (WHERE status = 'USED') AS used FROM orders_codeuse GROUP BY code_id) AS u ON u.code_id = c.id"
        " WHERE c.held <> coalesce(u.held, 0) OR c.used <> coalesce(u.used, 0) OR c.held + c.used > c.max_uses ORDER BY c.id",
    ),
    Law(
        "I13",
        "the use of a code stands where its order stands",
        f"SELECT {_ORDER}, format('it is %%s, and its use of code %%s is %%s', o.status, u.code_id, u.status)"
        " FROM orders_codeuse AS u JOIN orders_order AS o ON o.id = u.order_id WHERE u.order_id >= %(first)s"
        f"  AND u.status <> CASE WHEN o.status IN {in_sql(CALLED_OFF)} THEN 'RETURNED'"
        f"   WHEN o.status IN {_CONFIRMED} THEN 'USED' ELSE 'HELD' END ORDER BY u.order_id",
    ),
    Law(
        "I13",
        "an order uses the codes that it got cheaper by",
        f"SELECT {_ORDER}, format('it has %%s discounts and %%s uses of codes, and says %%s', coalesce(a.discounts, 0),"
        "  coalesce(u.uses, 0), o.has_codes) FROM orders_order AS o LEFT JOIN (SELECT order_id, count(*) AS discounts"
        "  FROM orders_adjustment WHERE order_id >= %(first)s AND kind = 'discount' GROUP BY order_id) AS a"
        "  ON a.order_id = o.id LEFT JOIN (SELECT order_id, count(*) AS uses FROM orders_codeuse"
        "  WHERE order_id >= %(first)s GROUP BY order_id) AS u ON u.order_id = o.id WHERE o.id >= %(first)s"
        "  AND (coalesce(a.discounts, 0) <> coalesce(u.uses, 0) OR o.has_codes <> (u.uses IS NOT NULL)) ORDER BY o.id",
    ),
    Law(
        "I7",
        "one order per Idempotency-Key",
        f"SELECT {_ORDER}, format('customer %%s placed %%s before it with the same Idempotency-Key', o.customer_id, e.id)"
        " FROM orders_order AS o JOIN orders_order AS e ON e.customer_id = o.customer_id"
        "  AND e.idempotency_key = o.idempotency_key AND e.id < o.id WHERE o.id >= %(first)s ORDER BY o.id",
    ),
    Law(
        "I7",
        "each order has its key and the mark of its request",
        f"SELECT {_ORDER}, format('key %%s, fingerprint %%s', length(o.idempotency_key), length(o.fingerprint))"
        " FROM orders_order AS o WHERE o.id >= %(first)s AND (o.idempotency_key = '' OR o.fingerprint = '') ORDER BY o.id",
    ),
    Law(
        "I9",
        "an order's moments and words are those of its status",
        f'SELECT {_ORDER}, format(\'it is %%s: placed %%s, confirmed %%s, closed %%s, canceled for "%%s", sent with "%%s"\','
        "  o.status, o.placed_at, o.confirmed_at, o.closed_at, o.cancel_reason, o.carrier) FROM orders_order AS o"
        " WHERE o.id >= %(first)s AND ("
        f"  (o.confirmed_at IS NOT NULL) <> (o.status IN {_CONFIRMED})"
        f"  OR (o.closed_at IS NOT NULL) <> (o.status IN {in_sql(ENDED)})"
        f"  OR (o.cancel_reason <> '') <> (o.status IN {in_sql((*GOING_BACK, *CALLED_OFF))})"
        f"  OR o.status IN {in_sql(SENT)} AND '' IN (o.carrier, o.tracking_number)"
        f"  OR greatest(o.placed_at, o.confirmed_at, o.closed_at) > now() + {SKEW}"
        "  OR o.confirmed_at < o.placed_at OR o.closed_at < o.placed_at OR o.closed_at < o.confirmed_at) ORDER BY o.id",
    ),
    Law(
        "I10",
        "an order says to whom it goes",
        f"SELECT {_ORDER}, 'it has no contact' FROM orders_order AS o WHERE o.id >= %(first)s"
        " AND NOT EXISTS (SELECT 1 FROM orders_contact AS c WHERE c.order_id = o.id) ORDER BY o.id",
    ),
    Law(
        "I10",
        "what was said with an order is erased with its contact",
        f"SELECT {_ORDER}, format('its contact was erased at %%s, and its contact details were kept', c.erased_at)"
        " FROM orders_order AS o JOIN orders_contact AS c ON c.order_id = o.id"
        " JOIN orders_contactdetails AS d ON d.order_id = o.id"
        " WHERE o.id >= %(first)s AND c.erased_at IS NOT NULL ORDER BY o.id",
    ),
    Law(
        "I10",
        "no order may be paid for ever",
        f"SELECT {_ORDER}, format('it is %%s and may be paid until %%s', o.status, o.pay_before) FROM orders_order AS o"
        f" WHERE o.id >= %(first)s AND o.status IN {in_sql(UNPAID)}"
        "  AND o.pay_before > greatest(o.placed_at, now() - interval '7 days') + %(payable)s ORDER BY o.id",
    ),
    Law(
        "I10",
        "an order is given more time to pay at most once",
        f"SELECT {_ORDER}, format('its time to pay was extended %%s times; by the request %%s, it says', f.told,"
        "  o.hold_extension) FROM orders_order AS o JOIN (SELECT aggregate_id, count(*) AS told FROM ("
        "  SELECT aggregate_id FROM orders_outbox WHERE type = 'order.hold_extended' UNION ALL"
        "  SELECT aggregate_id FROM orders_history WHERE type = 'order.hold_extended') AS facts GROUP BY aggregate_id) AS f"
        "  ON f.aggregate_id = o.id WHERE o.id >= %(first)s AND (f.told > 1 OR o.hold_extension IS NULL) ORDER BY o.id",
    ),
    Law(
        "I10",
        "no order is stuck",
        f"SELECT {_ORDER}, format('it is %%s and no saga will move it', o.status) FROM orders_order AS o"
        f" WHERE o.id >= %(first)s AND o.status NOT IN {_DECIDED} AND o.placed_at < now() - %(still)s"
        "  AND NOT EXISTS (SELECT 1 FROM orders_saga AS s WHERE s.order_id = o.id AND s.finished_at IS NULL"
        "   AND s.due_at IS NOT NULL AND s.name = CASE o.status WHEN 'REFUNDING' THEN 'refund' ELSE 'checkout' END)"
        " ORDER BY o.id",
    ),
    Law(
        "I10",
        "no saga is overdue, and none goes round in circles",
        f"SELECT {_SAGA}, format('its %%s saga has been due since %%s', s.name, s.due_at) FROM orders_saga AS s"
        " WHERE s.finished_at IS NULL AND s.due_at < now() - %(stuck)s"
        f" UNION ALL SELECT {_SAGA}, format('no walk of its %%s saga has come to an end since %%s', s.name, s.walked_since)"
        " FROM orders_saga AS s WHERE s.finished_at IS NULL AND s.walked_since < now() - %(stuck)s",
    ),
    Law(
        "I10",
        "no saga rests for longer than one may",
        f"SELECT {_SAGA}, format('its %%s saga rests until %%s, walked since %%s', s.name, s.due_at, s.walked_since)"
        " FROM orders_saga AS s WHERE s.finished_at IS NULL"
        " AND (s.due_at > now() + CASE s.waiting_for WHEN 'dispute' THEN %(decided)s ELSE %(longest)s END"
        f" OR s.walked_since > now() + {SKEW}) ORDER BY s.order_id",
    ),
    Law(
        "I10",
        "a saga is open exactly while its order needs it",
        f"SELECT {_SAGA}, format('its %%s saga is %%s and due at %%s, but it is %%s', s.name,"
        "  CASE WHEN s.finished_at IS NULL THEN 'open' ELSE 'finished' END, s.due_at, o.status)"
        " FROM orders_saga AS s JOIN orders_order AS o ON o.id = s.order_id WHERE s.order_id >= %(first)s AND ("
        f"  s.finished_at IS NULL AND (o.status IN {_DECIDED} OR (s.name = 'refund') <> (o.status = 'REFUNDING'))"
        "  OR s.finished_at IS NOT NULL AND s.due_at IS NOT NULL) ORDER BY s.order_id",
    ),
    Law(
        "I10",
        "no saga is renewed for ever",
        f"SELECT {_SAGA}, format('it is %%s, its %%s saga began at %%s, and no human is called', o.status, s.name, s.started_at)"
        " FROM orders_saga AS s JOIN orders_order AS o ON o.id = s.order_id"
        # Of a dispute staff are called by an alert of its own; banks take weeks.
        " WHERE s.finished_at IS NULL AND s.parked_at IS NULL AND s.waiting_for <> 'dispute'"
        "  AND greatest(s.started_at, CASE s.name WHEN 'checkout' THEN o.pay_before END) < now() - %(unwound)s"
        " ORDER BY s.order_id",
    ),
)


def check_kept_answers() -> Iterator[Violation]:
    """Yield the orders that kept answers name otherwise than their customer's key does; the answers live in the shop's schema."""
    after, made = 0, audit.since()
    while rows := audit.read(
        "shop",
        "SELECT id, user_id, key, (response_body::jsonb)->>'id' FROM shop_idempotencykey WHERE id > %(after)s"
        " AND method = 'POST' AND path = %(path)s AND response_status = 201 AND created_at >= %(since)s"
        f" ORDER BY id LIMIT {PAGE}",
        {"after": after, "path": reverse("orders"), "since": made or audit.BEGINNING},
    ):
        after = rows[-1][0]
        audit.note_rows(len(rows))
        placed = {
            str(pk): (guest_id or customer_id, key.removeprefix(f"{guest_id} "))
            for pk, customer_id, guest_id, key in Order.objects.filter(pk__in=_ids(rows)).values_list(
                "pk", "customer_id", "guest_id", "idempotency_key"
            )
        }
        for _id, user_id, key, order_id in rows:
            customer_id, of_key = placed.get(str(order_id), (None, ""))
            # Of a person who is being erased the orders' keys go before the answers do.
            if customer_id != user_id or (of_key != key and not of_key.startswith("erased:")):
                yield Violation(
                    "I7", f"order {order_id}", f"customer {user_id} was answered with it for another key's order"
                )


def _ids(rows: list[tuple[int, UUID, str, str | None]]) -> list[UUID]:
    return [UUID(order_id) for _id, _user, _key, order_id in rows if order_id]
