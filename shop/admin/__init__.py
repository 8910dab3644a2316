"""What every context's admin is made of: read-only pages, actions that call services, and the shop's dashboard.

Nothing is edited here by hand: a status moves by a service only, so every model's page is read-only and its actions
translate to services. The kernel knows no context; contexts register their admins and their tiles.
"""

from shop.accounts import staff_login as staff_login
from shop.admin import people as people
from shop.admin.bulk import bulk_action
from shop.admin.bus import HistoryAdmin, InboxAdmin, OutboxAdmin, WatermarkAdmin
from shop.admin.fields import AmountField, LineField, major_units, money_of, row_of
from shop.admin.pages import (
    Otherwise,
    ReadOnlyAdmin,
    ReadOnlyInline,
    action,
    confirmation,
    display,
    in_words,
    lists_of_order,
    money,
    preformatted,
    pretty_json,
    shown_once,
    status_badge,
)
from shop.admin.tiles import Figure, dashboard, navigation, register_tile, storefront

__all__ = [
    "AmountField",
    "Figure",
    "HistoryAdmin",
    "InboxAdmin",
    "LineField",
    "Otherwise",
    "OutboxAdmin",
    "ReadOnlyAdmin",
    "ReadOnlyInline",
    "WatermarkAdmin",
    "action",
    "bulk_action",
    "confirmation",
    "dashboard",
    "display",
    "in_words",
    "lists_of_order",
    "major_units",
    "money",
    "money_of",
    "navigation",
    "preformatted",
    "pretty_json",
    "register_tile",
    "row_of",
    "shown_once",
    "status_badge",
    "storefront",
]
