"""What every context's admin is made of: read-only pages, actions that call services, and the shop's dashboard.

Nothing is edited here by hand: a status moves by a service only, so every model's page is read-only and its actions
translate to services. The kernel knows no context; contexts register their admins and their tiles.
"""

from shop.admin import login as login
from shop.admin import people as people
from shop.admin.bus import InboxAdmin, OutboxAdmin
from shop.admin.pages import (
    ReadOnlyAdmin,
    ReadOnlyInline,
    action,
    confirmation,
    display,
    money,
    pretty_json,
    status_badge,
)
from shop.admin.tiles import Figure, dashboard, navigation, register_tile

__all__ = [
    "Figure",
    "InboxAdmin",
    "OutboxAdmin",
    "ReadOnlyAdmin",
    "ReadOnlyInline",
    "action",
    "confirmation",
    "dashboard",
    "display",
    "money",
    "navigation",
    "pretty_json",
    "register_tile",
    "status_badge",
]
