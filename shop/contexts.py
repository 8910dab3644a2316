"""The list of the contexts, in one place. Imports no Django, so that settings can read it; knows nothing of them but names."""

from typing import Final

CONTEXTS: Final = ("orders", "inventory", "payments", "shipping", "notifications")
