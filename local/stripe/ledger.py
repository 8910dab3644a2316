"""What money moved, from the movements alone: a second opinion, independent of the objects' own fields."""

from __future__ import annotations

from typing import Any

from local.stripe.store import Transaction

Json = dict[str, Any]

PER_INTENT = """
SELECT m.payment_intent, m.order_id, m.currency, o.body ->> 'status', o.body ->> 'amount',
       sum(m.amount) FILTER (WHERE m.kind = 'authorized'), sum(m.amount) FILTER (WHERE m.kind = 'captured'),
       sum(m.amount) FILTER (WHERE m.kind = 'refunded'), sum(m.amount) FILTER (WHERE m.kind = 'released'),
       count(*) FILTER (WHERE m.kind = 'authorized'), count(*) FILTER (WHERE m.kind = 'captured'),
       count(*) FILTER (WHERE m.kind = 'refunded'),
       sum(m.amount) FILTER (WHERE m.kind = 'disputed'), sum(m.amount) FILTER (WHERE m.kind = 'dispute_fee')
  FROM (SELECT id AS payment_intent, body ->> '$.metadata.order_id' AS order_id, body ->> 'currency' AS currency,
               NULL AS kind, 0 AS amount FROM objects WHERE kind = 'payment_intent'
         UNION ALL SELECT payment_intent, order_id, currency, kind, amount FROM movements) m
  JOIN objects o ON o.id = m.payment_intent
 WHERE :order_id IS NULL OR m.order_id = :order_id
 GROUP BY m.payment_intent ORDER BY min(o.seq)
"""
AMOUNTS = ("authorized", "captured", "refunded", "released")
COUNTS = ("authorizations", "captures", "refunds")
DISPUTED = ("disputed", "dispute_fees")


def read_ledger(tx: Transaction, *, order_id: str | None) -> Json:
    """Give every intent's money and the totals of each currency; of one order, or of all."""
    rows = [_line(row) for row in tx.execute(PER_INTENT, {"order_id": order_id}).fetchall()]
    totals: dict[str, Json] = {}
    for line in rows:
        total = totals.setdefault(
            line["currency"], dict.fromkeys(("payment_intents", *AMOUNTS, *COUNTS, *DISPUTED, "net"), 0)
        )
        total["payment_intents"] += 1
        for name in (*AMOUNTS, *COUNTS, *DISPUTED, "net"):
            total[name] += line[name]
    return {"totals": totals, "payment_intents": rows}


def _line(row: tuple[Any, ...]) -> Json:
    amounts = {name: value or 0 for name, value in zip(AMOUNTS, row[5:9], strict=True)}
    taken = {name: value or 0 for name, value in zip(DISPUTED, row[12:14], strict=True)}
    return {
        "id": row[0],
        "order_id": row[1],
        "currency": row[2],
        "status": row[3],
        "amount": int(row[4]),
        **amounts,
        "held": amounts["authorized"] - amounts["captured"] - amounts["released"],
        "net": amounts["captured"] - amounts["refunded"] - taken["disputed"],
        **taken,
        **dict(zip(COUNTS, row[9:12], strict=True)),
    }
