"""How many emails about unpaid orders go to one mailbox. Anybody may order to any address, and a declined card costs nothing.

A mailbox is known by a digest under SECRET_KEY of 64 bits, which stands on the emails that were let through; the address itself stays
with the order. Emails of orders that were paid are never limited. An order that costs nothing was never paid: all of its emails
are limited, unless its customer has verified the mailbox.
"""

from __future__ import annotations

from django.conf import settings
from django.utils.crypto import salted_hmac

from notifications.models import Email, EmailKind
from orders import api as orders
from shop import transactions
from shop.accounts.verified import verified_addresses
from shop.mail_address import same_mailbox
from shop.statements import Statement

_LOCK = Statement("notifications", "lock_recipient")
_ADMIT = Statement("notifications", "admit_email")


def may_be_sent(email: Email, order: orders.OrderState) -> bool:
    """Return whether this email may go to its recipient now; it counts from then on. Idempotent by the email.

    Of two that ask at once for the same mailbox, one waits for the other.
    """
    if not order.total.minor:
        return _has_verified(order) or _is_admitted(email, recipient_key(order.email))
    if email.kind != EmailKind.ORDER_CANCELED:  # an order that was confirmed ends as refunded
        return True
    return _is_admitted(email, recipient_key(order.email)) or orders.was_paid(order_id=order.order_id)


def _has_verified(order: orders.OrderState) -> bool:
    """Return whether the order goes to a mailbox that its customer's account has verified, so that it is not a stranger's."""
    return same_mailbox(order.email) in map(same_mailbox, verified_addresses(user_id=order.customer_id))


def recipient_key(address: str) -> int:
    """Return the digest of a mailbox: the same for all addresses that are delivered to it."""
    digest = salted_hmac("notifications.recipient", same_mailbox(address), algorithm="sha256").digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def lock_recipient(key: int) -> None:
    """Have whoever asks for the same mailbox wait until the end of the open transaction."""
    _LOCK.run(key=key)


def _is_admitted(email: Email, key: int) -> bool:
    with transactions.transaction("notifications"):
        return admit(email, key)


def admit(email: Email, key: int) -> bool:
    """Count an email for a mailbox, in the open transaction, and return whether it is not one too many."""
    most, seconds = settings.MAX_UNPAID_ORDER_EMAILS, settings.UNPAID_ORDER_EMAILS_SECONDS
    # In a statement of its own: the count has to see what was committed while we waited.
    lock_recipient(key)
    return _ADMIT.one(email_id=email.pk, key=key, most=most, seconds=seconds) is not None
