"""What every context's admin is made of: read-only pages, actions that call services, and the shop's dashboard.

A status moves by a service only, so the page of what has one is read-only and its actions translate to services. Only
rules without a process (taxes, codes, shipping rates) and people are edited in forms. The kernel knows no context;
contexts register their admins and their tiles.
"""

from shop.accounts import staff_login as staff_login
from shop.admin import bus as bus
from shop.admin import people as people
from shop.admin.bulk import bulk_action
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
from shop.admin.rules import (
    AheadForm,
    CodesField,
    CountriesField,
    CountryField,
    CurrencyField,
    Naming,
    RuleAdmin,
    RuleForm,
    RuleInline,
    repeat_warnings,
)
from shop.admin.tiles import Figure, dashboard, navigation, register_tile, storefront

__all__ = [
    "AheadForm",
    "AmountField",
    "CodesField",
    "CountriesField",
    "CountryField",
    "CurrencyField",
    "Figure",
    "LineField",
    "Naming",
    "Otherwise",
    "ReadOnlyAdmin",
    "ReadOnlyInline",
    "RuleAdmin",
    "RuleForm",
    "RuleInline",
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
    "repeat_warnings",
    "row_of",
    "shown_once",
    "status_badge",
    "storefront",
]
