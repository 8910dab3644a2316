"""What customers, staff and the bank do once the new release runs: some at once, some when the shop has caught up."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable

from django.core.cache import cache

from notifications.models import Email
from notifications.services.emails import send_again
from payments import api as payments
from payments.models import Refund
from shop.events import dead_letters
from shop.events.quarantine import release_quarantined
from shop.models import User
from tests.driver.factories import UserFactory
from tests.driver.provider import Provider, post_signed
from tests.driver.shopper import Shopper
from tests.proof.crashes.journeys.journey import KEY
from tests.proof.upgrade.releases import Scene

REFUND = {"amount": {"amount_minor": 500, "currency": "EUR"}, "reason": "a chip in the glaze"}
Act = Callable[[Scene, Provider], None]


def nobody(scene: Scene, provider: Provider) -> None:
    """Leave it to the shop."""


def customer_cancels(scene: Scene, provider: Provider) -> None:
    """Ask again, as a client does that never saw its answer."""
    answer = _customer(scene).cancel(scene.order_id, key=KEY)
    assert answer.status_code in (200, 202), (scene.name, answer.content)


def customer_gives_up(scene: Scene, provider: Provider) -> None:
    answer = _customer(scene).cancel(scene.order_id)
    assert answer.status_code in (200, 202), (scene.name, answer.content)


def staff_refund_in_part(scene: Scene, provider: Provider) -> None:
    cache.clear()  # nobody is slowed down for signing in
    staff = Shopper(UserFactory(is_staff=True, is_superuser=True, email=f"staff-of-{scene.order_id}@shop.example"))
    answer = staff.post(f"orders/{scene.order_id}/refunds", REFUND, key=KEY)
    assert answer.status_code == 201, (scene.name, answer.content)


def customer_pays(scene: Scene, provider: Provider) -> None:
    _customer(scene).pay(scene.order_id, "pm_card_visa", key=KEY)


def customer_authenticates(scene: Scene, provider: Provider) -> None:
    order_id = uuid.UUID(scene.order_id)
    if provider.intent(order_id).status == "requires_action":
        provider.answer_challenge(order_id, "approve")


def bank_settles_the_refund(scene: Scene, provider: Provider) -> None:
    for refund in Refund.objects.filter(payment_id=scene.order_id, status="PENDING"):
        provider.control("POST", f"refunds/{refund.provider_refund_id}/settle", {"outcome": "succeed"})
    for event in provider.events():
        post_signed(event)


def staff_refund_again(scene: Scene, provider: Provider) -> None:
    payments.refund_payment(order_id=uuid.UUID(scene.order_id), refund_id=uuid.uuid4(), amount=None, reason="staff")
    bank_settles_the_refund(scene, provider)


def staff_replay_the_dead_letter(scene: Scene, provider: Provider) -> None:
    for letter in list(dead_letters.dead_letters()):
        if scene.order_id in json.dumps(letter.envelope):
            dead_letters.replay(context=letter._meta.app_label, entry_id=letter.pk, staff="ann")


def staff_release_the_quarantine(scene: Scene, provider: Provider) -> None:
    release_quarantined("orders", staff="ann")


def staff_send_the_mail_again(scene: Scene, provider: Provider) -> None:
    for email in Email.objects.filter(order_id=scene.order_id, status="FAILED"):
        send_again(email_id=email.pk)


def _customer(scene: Scene) -> Shopper:
    cache.clear()
    return Shopper(User.objects.get(email=scene.customer))


AT_ONCE: dict[str, Act] = {
    "the customer cancels": customer_cancels,
    "the customer gives up": customer_gives_up,
    "staff refund in part": staff_refund_in_part,
}
IN_THEIR_TIME: dict[str, Act] = {
    "the customer pays": customer_pays,
    "the customer authenticates": customer_authenticates,
    "the bank settles the refund": bank_settles_the_refund,
    "staff refund again": staff_refund_again,
    "staff replay the dead letter": staff_replay_the_dead_letter,
    "staff release the quarantine": staff_release_the_quarantine,
    "staff send the mail again": staff_send_the_mail_again,
}
