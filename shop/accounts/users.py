"""Who signs in: shoppers and staff, by email address; and guests, who only order. Contexts keep a user's id only, never a foreign key."""

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
    """A person who signs in with an email address, or a guest; UUID key, so that an id means the same in every database.

    A guest's `email` is one that no mail reaches and nobody knows: whatever looks for an account by its address finds none.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    username = None  # type: ignore[assignment]
    email = models.EmailField("email address", unique=True)
    guest_email = models.EmailField(  # noqa: DJ001  null: an account; "": a guest whose mailbox is erased
        "guest's mailbox",
        null=True,
        blank=True,
        editable=False,
        help_text="For guests: where their mails go. It is not verified, and nobody can sign in with it.",
    )
    guest_until = models.DateTimeField(
        null=True, editable=False, help_text="For guests: when the shop next checks whether an order still needs them."
    )

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects: ClassVar[UserManager] = UserManager()  # type: ignore[assignment]

    class Meta(AbstractUser.Meta):
        constraints = [
            models.UniqueConstraint(
                Lower("email"), name="shop_user_email_once", violation_error_message="Another account has this address."
            ),
            models.CheckConstraint(
                name="shop_user_guest_is_no_account",
                condition=models.Q(guest_email=None)
                | models.Q(is_staff=False, is_superuser=False, password__startswith="!"),  # noqa: S106  # nosec B106  which no password hashes to
            ),
        ]
        indexes = [
            models.Index(fields=["guest_email"], name="shop_user_guest", condition=models.Q(guest_email__isnull=False)),
            models.Index(
                fields=["guest_until"], name="shop_user_guest_until", condition=models.Q(guest_until__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return self.email

    @property
    def is_guest(self) -> bool:
        """Whether this is a guest, who orders and has no account."""
        return self.guest_email is not None

    @property
    def mail_address(self) -> str:
        """Where mails of its orders go unless an order says otherwise."""
        return self.guest_email or self.email

    def clean(self) -> None:
        """Spell the address as it is kept: in small letters."""
        super().clean()
        self.email = self.email.lower()
