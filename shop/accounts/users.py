"""Who signs in: shoppers and staff, by email address. Contexts keep a user's id only, never a foreign key."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.base_user import BaseUserManager
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models.functions import Lower

from shop.ids import new_id


class UserManager(BaseUserManager["User"]):
    """Makes users from an email address and a password."""

    use_in_migrations = True

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        """Create a shopper."""
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        """Create a member of staff who may do everything."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def with_email(self, email: str) -> models.QuerySet[User]:
        """Return the account with this address, however either is spelled: one at most (shop_user_email_once)."""
        return self.alias(email_lower=Lower("email")).filter(email_lower=email.lower())


class User(AbstractUser):
    """A person who signs in with an email address; UUID key, so that an id means the same in every database."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    username = None  # type: ignore[assignment]
    email = models.EmailField("email address", unique=True)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects: ClassVar[UserManager] = UserManager()  # type: ignore[assignment]

    class Meta(AbstractUser.Meta):
        constraints = [
            models.UniqueConstraint(
                Lower("email"), name="shop_user_email_once", violation_error_message="Another account has this address."
            )
        ]

    def __str__(self) -> str:
        return self.email

    def clean(self) -> None:
        """Spell the address as it is kept: in small letters."""
        super().clean()
        self.email = self.email.lower()
