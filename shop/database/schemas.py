"""Which schema an app's tables live in.

The contexts and the kernel own a schema of their name; every other app lives in `public`.
Imports no Django, so that settings can read it.
"""

from typing import Final

from shop.contexts import CONTEXTS

KERNEL: Final = "shop"
PUBLIC: Final = "public"

SEARCH_PATH: Final = (PUBLIC, KERNEL, *CONTEXTS)


def schema_of(app_label: str) -> str:
    """Name the schema that holds the tables of this app."""
    return app_label if app_label == KERNEL or app_label in CONTEXTS else PUBLIC
