"""The export of a person: everything that is kept, machine-readable (GDPR, articles 15 and 20)."""

from __future__ import annotations

from typing import Any

from shop.clock import now
from shop.personal import accounts
from shop.personal.keepers import Person, find_orders, in_batches, keepers

FORMAT = "shop-person/1"


def export_person(person: Person) -> dict[str, Any]:
    """Return what is kept of a person, by context and kind, each row by the names of its columns; as JSON takes it.

    Passwords, keys of sessions and secrets of second factors are left out. Amounts are in minor units of their currency,
    moments in ISO 8601.
    """
    found = find_orders(person)
    told: dict[str, Any] = {
        "format": FORMAT,
        "exported_at": now().isoformat(),
        "person": {"user_id": str(person.user_id) if person.user_id else None, "addresses": list(person.addresses)},
        "accounts": accounts.export(person, orders=found),
    }
    for keeper in reversed(keepers()):
        kinds: dict[str, list[Any]] = {}
        for batch in in_batches([each.order_id for each in found]):
            for kind, records in keeper.export(batch).items():
                kinds.setdefault(kind, []).extend(records)
        told[keeper.context] = kinds
    return told
