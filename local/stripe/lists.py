"""Reading: pages of objects, newest first, and the expansion of ids into the objects they name."""

from __future__ import annotations

from typing import Any

from local.stripe import errors, shapes
from local.stripe.store import Transaction

Json = dict[str, Any]

PAGE_SIZE = 10
COMPARISONS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
EXPANDABLE = {
    "payment_intent": {"latest_charge": "charge", "payment_method": "payment_method"},
    "charge": {"payment_intent": "payment_intent"},
    "dispute": {"charge": "charge", "payment_intent": "payment_intent"},
    "refund": {"charge": "charge", "payment_intent": "payment_intent", "payment_method": "payment_method"},
}
_NEVER_SET = (
    "application application_fee balance_transaction customer failure_balance_transaction on_behalf_of review "
    "source_transfer source_transfer_reversal transfer_reversal"
)
NEVER_SET = frozenset(_NEVER_SET.split())


def page(tx: Transaction, *, kind: str, url: str, params: Json) -> Json:
    """Give one page. Raises: StripeError for a cursor that names nothing."""
    where, values = _filters(kind, params)
    backwards = bool(params.get("ending_before"))
    for name, sign in (("starting_after", "<"), ("ending_before", ">")):
        if params.get(name):
            seq = tx.seq_of(kind=kind, object_id=params[name])
            if seq is None:
                raise errors.no_such(what=kind, object_id=params[name], param=name, status=400)
            where.append(f"seq {sign} ?")
            values.append(seq)
    limit = params.get("limit", PAGE_SIZE)
    found = tx.page(kind=kind, where=where, values=values, limit=limit + 1, backwards=backwards)
    has_more = len(found) > limit
    found = found[:limit]
    if backwards:
        found.reverse()
    if kind == "event":
        found = [with_pending(tx, event=event) for event in found]
    return {"object": "list", "data": found, "has_more": has_more, "url": url}


def _filters(kind: str, params: Json) -> tuple[list[str], list[Any]]:
    where: list[str] = []
    values: list[Any] = []
    for name, moment in params.get("created", {}).items():
        where.append(f"created {COMPARISONS[name]} ?")
        values.append(moment)
    if params.get("payment_intent"):
        where.append("payment_intent = ?")
        values.append(params["payment_intent"])
    for name in ("charge", "customer"):
        if params.get(name):
            where.append(f"body ->> '{name}' = ?")
            values.append(params[name])
    types = [params["type"]] if params.get("type") else params.get("types", [])
    if types and kind == "event":
        where.append("(" + " OR ".join(["label GLOB ?"] * len(types)) + ")")
        values.extend(types)
    if "delivery_success" in params:
        wanted = "NOT EXISTS" if params["delivery_success"] else "EXISTS"
        where.append(f"{wanted} (SELECT 1 FROM deliveries WHERE deliveries.event = objects.id)")
    return where, values


def with_pending(tx: Transaction, *, event: Json) -> Json:
    """Give the event with how many deliveries are still owed."""
    return {**event, "pending_webhooks": tx.pending_deliveries(event=event["id"])}


def expand(tx: Transaction, *, body: Json, paths: list[str]) -> Json:
    """Put objects in the place of the ids that name them. Raises: StripeError for what can't be expanded."""
    for path in paths:
        body = _expand_one(tx, body, path.split("."), path)
    return body


def _expand_one(tx: Transaction, body: Json, steps: list[str], path: str) -> Json:
    step, rest = steps[0], steps[1:]
    if body.get("object") == "list":
        if step != "data" or not rest:
            raise _not_expandable(path)
        return {**body, "data": [_expand_one(tx, item, rest, path) for item in body["data"]]}
    if step == "refunds" and body.get("object") == "charge":
        return {**body, "refunds": refunds_of(tx, charge=body)}
    kind = EXPANDABLE.get(body.get("object", ""), {}).get(step)
    if kind is None and step not in NEVER_SET:
        raise _not_expandable(path)
    value = body.get(step)
    if kind is None or value is None:
        return body
    inner = value if isinstance(value, dict) else shapes.visible(tx.find(kind=kind, object_id=value) or {})
    return {**body, step: _expand_one(tx, inner, rest, path) if rest else inner}


def refunds_of(tx: Transaction, *, charge: Json) -> Json:
    """Give a charge's refunds as the list inside it."""
    found = [
        shapes.visible(refund)
        for refund in reversed(tx.of_intent(kind="refund", payment_intent=charge["payment_intent"]))
        if refund["charge"] == charge["id"]
    ]
    url = f"/v1/charges/{charge['id']}/refunds"
    return {"object": "list", "data": found[:PAGE_SIZE], "has_more": len(found) > PAGE_SIZE, "url": url}


def _not_expandable(path: str) -> errors.StripeError:
    return errors.invalid_parameter(message=f"This property cannot be expanded ({path}).", param="expand")
