"""The door of notifications: what other contexts may call."""

from notifications.queries import EmailState, list_emails

__all__ = ["EmailState", "list_emails"]
