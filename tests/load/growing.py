"""Many orders out of a few: every row of an order copied, in every context, with ids of its own that fit each other.

An id of a copy is a function of the original's and of the copy's number, so that what belongs together still does,
across contexts, too. Numbers of rows come from their sequences; other unique texts get the copy's number.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg

from shop.contexts import CONTEXTS

# Who and what stays the same for every copy.
KEPT = {"customer_id", "product_id", "user_id", "sku"}
WIDTH_OF_A_HASH = 32
# Not of an order.
LEFT_OUT = {"inventory_product", "inventory_stock"}
COLUMNS = """
SELECT c.relname, a.attname, format_type(a.atttypid, NULL), pg_get_serial_sequence(format('%%I.%%I', n.nspname, c.relname), a.attname) IS NOT NULL,
    EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND a.attnum = ANY (i.indkey)),
    a.attgenerated <> '', a.atttypmod - 4
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
WHERE n.nspname = %s AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped ORDER BY c.relname, a.attnum
"""


def multiply(url: str, *, copies: int, salt: str) -> None:
    """Copy every order so many times, the contexts beside one another; leave the planner's statistics as they should be.

    `salt`: another for each call on one database, with a first letter of its own, so that its copies are others.
    """
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda context: _multiply(url, context, copies, salt), CONTEXTS))


def _multiply(url: str, context: str, copies: int, salt: str) -> None:
    with psycopg.connect(
        url, autocommit=True, options="-c synchronous_commit=off -c statement_timeout=0"
    ) as connection:
        connection.execute("SET session_replication_role = replica")  # no foreign keys, no triggers: the copies fit
        tables: dict[str, list[tuple[str, str, bool, bool, int]]] = {}
        for table, name, kind, numbered, unique, generated, width in connection.execute(COLUMNS, [context]).fetchall():
            if table not in LEFT_OUT and not generated:
                tables.setdefault(table, []).append((name, kind, numbered, unique, width))
        for table, columns in tables.items():
            values = {
                name: _value(name, kind, unique, width, salt)
                for name, kind, numbered, unique, width in columns
                if not numbered
            }
            names, copied = ", ".join(f'"{name}"' for name in values), ", ".join(values.values())
            numbering = next((f'original."{name}"' for name, _kind, numbered, *_more in columns if numbered), "1")
            connection.execute(
                f'INSERT INTO {context}."{table}" ({names})'
                f' SELECT {copied} FROM {context}."{table}" AS original, generate_series(1, {copies}) AS n'
                # Numbered in the order of the originals: the order of an aggregate's facts is that of their ids.
                f" ORDER BY n, {numbering}"
            )
            connection.execute(f'VACUUM ANALYZE {context}."{table}"')


def _value(name: str, kind: str, unique: bool, width: int, salt: str) -> str:
    if kind == "uuid" and name not in KEPT:
        return f"md5(original.{name}::text || '{salt}' || n)::uuid"
    if (
        kind in ("character varying", "text")
        and unique
        and name not in (*KEPT, "status", "type", "subscriber", "kind", "name")
    ):
        if 0 < width < WIDTH_OF_A_HASH:
            # Of a million shortened hashes two are the same: numbered instead.
            return f"'{salt[0]}' || lpad(to_hex(row_number() OVER ()), {width - 1}, '0')"
        return f"md5(original.{name} || '{salt}' || n)"
    if kind == "jsonb" and name == "payload":
        return _payload(salt)
    return f'original."{name}"'


def _payload(salt: str) -> str:
    """Return a fact's payload with the ids of the copies."""
    copied = ", ".join(
        f"'{name}', md5(original.payload->>'{name}' || '{salt}' || n)::uuid" for name in ("order_id", "refund_id")
    )
    return (
        f"(original.payload || (SELECT coalesce(jsonb_object_agg(key, value), '{{}}') FROM"
        f" jsonb_each(jsonb_build_object({copied})) WHERE original.payload ? key))"
    )
