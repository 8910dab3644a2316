"""Whose an email address is: an account has one, and an address that nobody has confirmed belongs to nobody.

# Note [One address]
Who wants another address gets a key by mail to it. Nothing is recorded until the key comes back: until then the address
blocks nobody from signing up, and resets nobody's password. The key says for whom it is, and holds while the account has
the password and the address that it had. So whoever resets a password ends the changes that others have begun.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from allauth.account import app_settings
from allauth.account.adapter import get_adapter
from allauth.account.forms import AddEmailForm
from allauth.account.internal.flows.email_verification import add_email_verification_sent_message
from allauth.account.models import EmailAddress
from allauth.account.signals import password_reset
from allauth.core.internal import ratelimit
from allauth.headless.account.inputs import VerifyEmailInput
from allauth.headless.account.views import ManageEmailView, VerifyEmailView
from allauth.headless.internal.restkit import inputs
from allauth.headless.internal.restkit.response import ErrorResponse
from django.core import signing
from django.db import IntegrityError
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare, salted_hmac

from shop import transactions
from shop.accounts.users import User

# Keys in mails are signed with it: it stays, wherever this module stands.
_SALT = "shop.rest.addresses"
_DAY_SECONDS = 24 * 60 * 60

# An account has proved that a mailbox is its own otherwise than by the key of its sign-up, of which allauth tells.
# Arguments: `user`.
mailbox_proved = Signal()


class AddressTaken(Exception):
    """The address is another account's by now, or the account has changed since the key was mailed."""


@dataclass(frozen=True)
class AddressChange:
    """A change of an account's address that waits for the new one to be confirmed. Its key is all there is of it."""

    email_address: EmailAddress
    key: str

    @classmethod
    def begin(cls, user: User, email: str) -> AddressChange:
        """Return the change of this account's address to `email`."""
        key = signing.dumps([user.pk.hex, email, _state_of(user)], salt=_SALT)
        return cls(EmailAddress(user=user, email=email), key)

    @classmethod
    def from_key(cls, key: str) -> AddressChange | None:
        """Return the change of which this is the key; None where it is not one, or the account has changed since."""
        longest = app_settings.EMAIL_CONFIRMATION_EXPIRE_DAYS * _DAY_SECONDS
        try:
            user_id, email, state = signing.loads(key, salt=_SALT, max_age=longest)
        except signing.BadSignature:
            return None
        user = User.objects.filter(pk=user_id, is_active=True).first()
        if user is None or not constant_time_compare(state, _state_of(user)):
            return None
        return cls(EmailAddress(user=user, email=email), key)

    def confirm(self, request: HttpRequest) -> EmailAddress:
        """Give the account its new address in place of the others, and tell those. Raises: AddressTaken, IntegrityError."""
        email = self.email_address.email
        with transactions.transaction("shop"):
            user = User.objects.select_for_update().get(pk=self.email_address.user.pk)
            if _state_of(user) != _state_of(self.email_address.user) or self.is_taken():
                raise AddressTaken
            former = {user.email, *_confirmed(user).values_list("email", flat=True)}
            EmailAddress.objects.filter(user=user).delete()
            address: EmailAddress = EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
            user.email = email
            user.save(update_fields=["email"])
        mailbox_proved.send(sender=User, user=user)
        for each in sorted(former):
            told = {"from_email": each, "to_email": email}
            get_adapter(request).send_notification_mail("account/email/email_changed", user, told, email=each)
        return address

    def is_taken(self) -> bool:
        """Return whether the address is another account's."""
        others = EmailAddress.objects.filter(email=self.email_address.email, verified=True)
        own = self.email_address.user.pk
        return (
            others.exclude(user_id=own).exists()
            or User.objects.with_email(self.email_address.email).exclude(pk=own).exists()
        )


def _state_of(user: User) -> str:
    return salted_hmac(_SALT, f"{user.password} {user.email}", algorithm="sha256").hexdigest()[:32]


def _confirmed(user: User) -> Any:
    return EmailAddress.objects.filter(user=user, verified=True)


class ChangeAddressInput(AddEmailForm, inputs.Input):
    """The new address, which gets a mail; nothing is recorded of it."""

    def save(self, request: HttpRequest) -> EmailAddress:
        """Mail the key to the new address, once in three minutes for an account and an address."""
        user = cast(User, self.user)
        change = AddressChange.begin(user, self.cleaned_data["email"])
        email = change.email_address.email
        # By account, too: whoever asks for an address that is not theirs holds up no mail to its owner.
        if ratelimit.consume(request, app="allauth.account", action="confirm_email", key=f"{user.pk}:{email}"):
            get_adapter(request).send_confirmation_mail(request, change, signup=False)
            add_email_verification_sent_message(request, email, signup=False)
        return change.email_address


class AddressView(ManageEmailView):
    """The account's address, and the request to change it."""

    input_class = ManageEmailView.input_class | {"POST": ChangeAddressInput}


class ConfirmAddressInput(VerifyEmailInput):
    """The key of a mail: of a sign-up's, or of one about a change."""

    def clean_key(self) -> str:
        """Find out what is confirmed. Raises: ValidationError where that is nothing, or is somebody else's."""
        key: str = self.cleaned_data["key"]
        change = AddressChange.from_key(key)
        if change is None:
            return cast(str, super().clean_key())  # type: ignore[no-untyped-call]  # allauth's
        if change.is_taken():
            raise get_adapter().validation_error("email_taken")
        self.verification = cast(Any, change)
        return key


class ConfirmAddressView(VerifyEmailView):
    """Confirms an address."""

    input_class = ConfirmAddressInput

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Confirm the address, or refuse where it is somebody else's by now."""
        try:
            answer: HttpResponse = super().post(request, *args, **kwargs)
        except (AddressTaken, IntegrityError):
            self.input.add_error("key", get_adapter().validation_error("email_taken"))
            return ErrorResponse(request, input=self.input)
        return answer


def take_over(user: User) -> None:
    """Mark an account's unconfirmed address as confirmed, since a mail to it reached its owner; drop all others.

    The new password has ended the sessions. Second factors are not among what others may have set up: allauth takes none
    before the address is confirmed. An account with a confirmed address is left as it is.
    """
    email = user.email.lower()
    with transactions.transaction("shop"):
        User.objects.select_for_update().get(pk=user.pk)
        if not _confirmed(user).exists() and not EmailAddress.objects.filter(email=email, verified=True).exists():
            EmailAddress.objects.filter(user=user).delete()
            EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)


def _on_reset(*, user: User, **_more: Any) -> None:
    take_over(user)
    mailbox_proved.send(sender=User, user=user)


def connect() -> None:
    """Subscribe to password resets: the mail of one has reached the account's address."""
    password_reset.connect(_on_reset, dispatch_uid="shop.take_over")
