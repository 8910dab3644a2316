"""What signing up insists on beyond django-allauth's own checks."""

from __future__ import annotations

from allauth.account.adapter import DefaultAccountAdapter

from shop.cards import refuse_card_number


class AccountAdapter(DefaultAccountAdapter):
    """Django-allauth's hooks (ACCOUNT_ADAPTER names this class)."""

    def clean_email(self, email: str) -> str:
        """Refuse an address that holds a card number: it would be stored and mailed to. Raises: ValidationError."""
        refuse_card_number(email)
        cleaned: str = super().clean_email(email)
        return cleaned
