"""A person is exported whole and erased whole: before, every table that names them is in the export; after, none does."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from notifications.models import Email
from notifications.services.emails import send_again
from notifications.services.sending import send_due_emails
from orders.api import get_order
from orders.models import Contact, Order
from orders.queries import Address
from orders.rules import CancelReason
from orders.sagas.entry import cancel_order, resume
from payments.models import Payment
from shipping import api as shipping
from shipping.models import Shipment
from shipping.services import booking
from shop import audit, clock
from shop.events import relay, unheard
from shop.models import Erasure, IdempotencyKey, User
from shop.personal import accounts, erasure, keepers, retention
from shop.personal.accounts import person_of
from shop.personal.export import export_person
from shop.tasks import erase_persons, prune_events, prune_staff_log
from tests.driver.factories import PASSWORD, AddressFactory, OrderBodyFactory, UserFactory
from tests.driver.orders import STATUSES, make_due, pass_deadline, placed, status_of
from tests.driver.provider import Provider, in_threads, sandbox
from tests.driver.shop import mug, order_in, shop_at_rest, staff
from tests.driver.shopper import Shopper, id_in
from tests.driver.tables import execute, rows_of
from tests.proof.report import Record

__all__ = ["mug", "order_in", "sandbox", "shop_at_rest", "staff"]

EMAIL = "ada@shop.example"
ADDRESS = Address(
    name="Zanzibella Quuxworth",
    line1="77 Quuxcanary Lane",
    line2="Flat Quuxtwo",
    city="Quuxcity",
    region="Quuxregion",
    postal_code="QX9-7ZZ",
    country="PT",
)
DETAILS = {
    "company": "Quuxworth Engines",
    "vat_number": "DE987654398",
    "phone": "+351210987698",
    "note": "Ring the quuxbell.",
    "billing_address": AddressFactory(name="Quuxella Payer"),
}
CANARIES = (EMAIL, "Quux", "QX9-7ZZ", "quuxfirst", "TRACK-1", "pm_card_visa", "DE987654398", "+351210987698")
ENDED = {"DELIVERED", "CANCELED", "REFUNDED"}


@pytest.fixture(autouse=True)
def canary(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every order of the stage go to the person."""
    monkeypatch.setattr("tests.driver.orders.ADDRESS", ADDRESS)


class LateClock:
    """The clock that erasures read: of the database, and later by what a test lets pass."""

    def __init__(self) -> None:
        self.late = timedelta(0)

    def database_now(self, **named: Any) -> datetime:
        return clock.database_now(**named) + self.late


@pytest.fixture(autouse=True)
def late_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasure, "clock", LateClock())


@pytest.fixture
def shopper(mug: str) -> Shopper:
    user = UserFactory(email=EMAIL, first_name="quuxfirst", last_name="Quuxworth")
    EmailAddress.objects.create(user=user, email=EMAIL, primary=True, verified=True)
    return Shopper(user)


@pytest.fixture
def settle(drain: Callable[[], None]) -> Callable[[], None]:
    """Let the moment of everything that waits come, and the time pass in which a fact may still be on its way."""

    def run() -> None:
        for _round in range(3):
            make_due()
            drain()
        let_all_be_heard()

    return run


@pytest.fixture
def neighbor(mug: str) -> Shopper:
    return Shopper(UserFactory(email="neighbor@elsewhere.example", first_name="Nadia"))


def body() -> dict[str, Any]:
    return dict(OrderBodyFactory(email=EMAIL, shipping_address=AddressFactory(**vars(ADDRESS)), **DETAILS))


def tables() -> dict[str, list[str]]:
    """Return each row of each table of each database as text; sessions as they read once they are decoded.

    Without the hash of a password: it may hold any few letters by chance.
    """
    found = {
        model._meta.db_table: [
            json.dumps({name: value for name, value in row.items() if name != "password"}, sort_keys=True)
            for row in json.loads(rows_of(model))
        ]
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed
    }
    found["django_session"] = [json.dumps(session.get_decoded()) for session in Session.objects.order_by("pk")]
    return found


def named_in(found: dict[str, list[str]], *canaries: str) -> list[str]:
    """Return where a canary stands, whatever its case, as `table: canary`."""
    return sorted(
        f"{table}: {canary}"
        for table, rows in found.items()
        for canary in canaries
        if any(canary.lower() in row.lower() for row in rows)
    )


def asked(shopper: Shopper) -> uuid.UUID:
    return erasure.ask(person_of(user_id=shopper.user.pk), asked_by="a test")


def pass_settling(erasure_id: uuid.UUID) -> None:
    """Let the requests end that were under way as the erasure began, and its next look come."""
    late_clock: Any = erasure.clock
    late_clock.late += timedelta(hours=1)
    execute("shop", "UPDATE shop_erasure SET due_at = now() WHERE id = %s AND due_at IS NOT NULL", erasure_id)


def let_all_be_heard() -> None:
    """Let the time pass in which a fact may still be on its way."""
    for context in ("orders", "payments"):
        execute(
            context,
            f"UPDATE {context}_outbox SET occurred_at = occurred_at - interval '10 minutes',"
            " published_at = least(published_at, now() - interval '6 minutes')",
        )


def tell_all() -> None:
    """Have every fact heard and every email sent, a while ago; no order continues automatically."""
    relay.drain_all()
    while send_due_emails():
        relay.drain_all()
    let_all_be_heard()


def erased(erasure_id: uuid.UUID) -> bool:
    """Carry an erasure out as far as it goes, its last look included."""
    erasure.carry_out(erasure_id)
    pass_settling(erasure_id)
    erasure.carry_out(erasure_id)
    return erasure.carry_out(erasure_id)


def end_every_order(settle: Callable[[], None]) -> None:
    """Bring every order to an end: paid ones are canceled or arrive."""
    for order in Order.objects.filter(status="AWAITING_PAYMENT"):
        pass_deadline(order.pk)
    settle()
    for order in Order.objects.filter(status="CONFIRMED"):
        cancel_order(order_id=order.pk, reason=CancelReason.CUSTOMER_REQUEST)
    settle()
    for shipment in Shipment.objects.filter(status="DISPATCHED"):
        shipping.confirm_delivery(shipment_id=shipment.pk)
    settle()
    assert set(Order.objects.values_list("status", flat=True)) <= ENDED


@pytest.fixture
def whole_life(
    shopper: Shopper, neighbor: Shopper, staff: Shopper, order_in: Callable[[str], uuid.UUID], sandbox: Provider
) -> Shopper:
    """A person with an order in every state, kept answers, a second factor, sessions, and a place in the staff's trail."""
    Authenticator.objects.create(user=shopper.user, type="totp", data={"secret": "quuxfirst"})
    assert neighbor.place().status_code == 201
    ordered = shopper.post("orders", body())
    assert ordered.status_code == 201
    refund = {"amount": {"amount_minor": 100, "currency": "EUR"}, "reason": "Quux called"}
    assert staff.post(f"orders/{id_in(ordered)}/refunds", refund).status_code == 201
    shopper.cancel(id_in(ordered))
    LogEntry.objects.log_actions(
        user_id=staff.user.pk,
        queryset=[shopper.user],
        action_flag=2,
        change_message="set the name quuxfirst",
        single_object=True,
    )
    # A parcel that arrives takes the others of that moment along.
    for status in sorted(STATUSES, key=["DELIVERED", "SHIPPED"].__contains__, reverse=True):
        order_in(status)
    sandbox.heal()
    return shopper


def test_an_export_holds_all_that_is_found_and_an_erasure_leaves_nothing(
    whole_life: Shopper, settle: Callable[[], None], proof: Record
):
    erasure_id = asked(whole_life)
    person = person_of(user_id=whole_life.user.pk)
    before = tables()
    told = json.dumps(export_person(person))
    missing = [where for where in named_in(before, *CANARIES) if where.split(": ")[1].lower() not in told.lower()]
    assert missing == []
    assert {where.split(":")[0] for where in named_in(before, EMAIL)} >= {
        "orders_contact", "shop_user", "account_emailaddress", "django_admin_log", "django_session", "shop_idempotencykey",
    }  # fmt: skip
    assert "orders_contactdetails: DE987654398" in named_in(before, *CANARIES)

    tell_all()
    erasure.carry_out(erasure_id)
    waiting = Erasure.objects.get(pk=erasure_id).waiting_for
    ended = Order.objects.filter(customer_id=whole_life.user.pk, status__in=ENDED)
    under_way = Order.objects.filter(customer_id=whole_life.user.pk).exclude(status__in=ENDED)
    assert set(ended.values_list("contact__name", flat=True)) == {"erased"}
    assert set(under_way.values_list("contact__name", flat=True)) == {ADDRESS.name}
    assert len(waiting) == under_way.count() > 5

    end_every_order(settle)
    assert erased(erasure_id)

    left = named_in(tables(), *CANARIES)
    assert Contact.objects.filter(country="PT", erased_at__isnull=False).count() == len(STATUSES) + 1
    assert Payment.objects.filter(captured_minor__gt=0).exists()
    # What the neighbor pays with has the same name.
    left = [where for where in left if where not in ("payments_payment: pm_card_visa", "orders_order: pm_card_visa")]
    assert Payment.objects.exclude(payment_method="").count() == Order.objects.exclude(payment_method="").count() == 1
    proof("person erased", histories=len(before) * len(CANARIES), violations=left)
    assert left == []


def test_other_people_s_rows_stay_byte_for_byte(whole_life: Shopper, settle: Callable[[], None]):
    end_every_order(settle)
    mine = [
        str(whole_life.user.pk),
        *map(str, Order.objects.filter(customer_id=whole_life.user.pk).values_list("pk", flat=True)),
    ]
    mine += [str(pk) for pk in Shipment.objects.filter(order_id__in=mine[1:]).values_list("pk", flat=True)]
    before = tables()

    assert erased(asked(whole_life))

    after = tables()
    changed = [
        f"{table}: {row}"
        for table, rows in before.items()
        if table != "shop_runningsweep"
        for row in rows
        if not any(each in row for each in [*mine, EMAIL]) and row not in after[table]
    ]
    assert changed == []


@pytest.mark.parametrize(
    "step", ["close", "forget_answers", "end_sessions", "_note", "payments", "shipping", "notifications", "orders"]
)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_process_that_dies_at_any_step_is_made_up_for_by_the_sweep(
    shopper: Shopper, settle: Callable[[], None], monkeypatch: pytest.MonkeyPatch, step: str, when: str
):
    shopper.cancel(id_in(shopper.post("orders", body())))
    settle()
    erasure_id = asked(shopper)
    with monkeypatch.context() as patches:
        die_at(step, when, patches)
        with pytest.raises(SystemExit):
            erasure.carry_out(erasure_id)

    pass_settling(erasure_id)
    erase_persons()
    pass_settling(erasure_id)
    erase_persons()

    assert Erasure.objects.get(pk=erasure_id).finished_at is not None
    assert named_in(tables(), *CANARIES) == []


def die_at(step: str, when: str, patches: pytest.MonkeyPatch) -> None:
    """Have the process die right before or right after a step of an erasure."""

    def dying(work: Callable[..., Any]) -> Callable[..., Any]:
        def die(*arguments: Any, **named: Any) -> Any:
            if when == "after":
                work(*arguments, **named)
            raise SystemExit

        return die

    if step in keepers._registry.keepers:
        keeper = keepers._registry.keepers[step]
        patches.setitem(keepers._registry.keepers, step, replace(keeper, erase=dying(keeper.erase)))
    else:
        module: Any = erasure if step == "_note" else accounts
        patches.setattr(module, step, dying(getattr(module, step)))


def test_an_order_that_a_request_under_way_still_places_is_erased_as_well(shopper: Shopper, settle: Callable[[], None]):
    erasure_id = asked(shopper)
    # The second look finds nothing, and is too early to be the last.
    assert [erasure.carry_out(erasure_id) for _twice in range(2)] == [False, False]
    late = placed(customer_id=shopper.user.pk)
    pass_settling(erasure_id)

    assert not erasure.carry_out(erasure_id)
    settle()
    assert status_of(late) in ENDED

    assert erased(erasure_id)
    assert named_in(tables(), EMAIL, "Quux") == []


def test_a_closed_account_opens_to_no_password_and_no_token(shopper: Shopper):
    user = shopper.user
    assert user is not None

    accounts.close(person_of(user_id=user.pk))

    user.refresh_from_db()
    assert (user.is_active, user.has_usable_password(), user.is_staff, user.last_login) == (False, False, False, None)
    # Its session is still there, and opens nothing.
    assert Session.objects.exists()
    assert shopper.get("orders").status_code == 401
    login = {"email": user.email, "password": PASSWORD}
    assert Client().post("/_allauth/app/v1/auth/login", login, content_type="application/json").status_code == 400


def test_no_context_erases_what_is_under_way_whoever_asks(shopper: Shopper, order_in: Callable[[str], uuid.UUID]):
    order_ids = [order_in(status) for status in ("CONFIRMED", "REFUNDING")]

    keepers.erase_orders(order_ids, whole=True)

    assert Contact.objects.filter(pk__in=order_ids, erased_at=None).count() == 2
    assert not Order.objects.filter(pk__in=order_ids, fingerprint="erased").exists()


def test_workers_that_carry_out_one_erasure_at_once_do_no_harm(whole_life: Shopper, settle: Callable[[], None]):
    end_every_order(settle)
    erasure_id = asked(whole_life)

    assert in_threads(*[lambda: erasure.carry_out(erasure_id)] * 4) == [False] * 4

    assert erased(erasure_id)
    assert named_in(tables(), EMAIL, "Quux") == []


def test_an_order_that_goes_on_meanwhile_is_not_disturbed(shopper: Shopper, settle: Callable[[], None]):
    order_ids = [placed(customer_id=shopper.user.pk) for _each in range(4)]
    erasure_id = asked(shopper)

    outcomes = in_threads(
        lambda: erasure.carry_out(erasure_id),
        *[lambda order_id=order_id: resume(order_id=order_id) for order_id in order_ids],
    )
    assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    settle()

    assert {status_of(order_id) for order_id in order_ids} == {"DELIVERED"}
    assert sorted({message.to[0] for message in mail.outbox}) == [EMAIL]
    assert erased(erasure_id)
    assert named_in(tables(), EMAIL, "Quux") == []


def test_nobody_signs_in_any_more_and_the_address_is_free(shopper: Shopper, sandbox: Provider):
    order_id = id_in(shopper.post("orders", body()))
    assert shopper.get(f"orders/{order_id}").status_code == 200

    erasure.carry_out(asked(shopper))

    assert shopper.get(f"orders/{order_id}").status_code == 401
    login = {"email": EMAIL, "password": PASSWORD}
    assert Client().post("/_allauth/app/v1/auth/login", login, content_type="application/json").status_code == 400
    assert not Session.objects.exists()
    assert not IdempotencyKey.objects.exists()
    again = Client().post("/_allauth/app/v1/auth/signup", login, content_type="application/json")
    assert again.status_code in (200, 401), again.content
    assert User.objects.get(email=EMAIL).pk != shopper.user.pk


def test_no_mail_and_no_parcel_goes_to_who_is_erased(shopper: Shopper, settle: Callable[[], None]):
    order_id = id_in(shopper.post("orders", body()))
    shopper.cancel(order_id)
    settle()
    Email.objects.filter(order_id=order_id, kind="order_canceled").update(status="FAILED", sent_at=None)
    failed = Email.objects.filter(order_id=order_id).first()
    assert failed is not None
    Email.objects.filter(pk=failed.pk).update(status="FAILED", sent_at=None)
    assert erased(asked(shopper))
    mail.outbox.clear()

    send_again(email_id=failed.pk)
    settle()

    failed.refresh_from_db()
    assert (failed.status, failed.last_error.split(":")[0], mail.outbox) == ("FAILED", "recipient_erased", [])
    with pytest.raises(booking.AddressErased):
        booking._what_goes_where(get_order(order_id=order_id))
    # The fact of the second try stands beside no move of the audit's: it is put back as it was.
    Email.objects.filter(pk=failed.pk).delete()


def test_staff_read_erased_and_the_story_is_still_told(shopper: Shopper, staff: Shopper, settle: Callable[[], None]):
    order_id = id_in(shopper.post("orders", body()))
    shopper.cancel(order_id)
    settle()
    assert erased(asked(shopper))

    seen = staff.order(order_id)
    assert (seen["shipping_address"]["name"], seen["email"]) == ("erased", "erased@erased.invalid")
    assert (seen["shipping_address"]["country"], seen["status"]) == ("PT", "REFUNDED")
    printed = io.StringIO()
    call_command("explain_order", str(order_id), stdout=printed)
    assert "the rest of its money went back" in printed.getvalue()
    desk = Client()
    desk.force_login(User.objects.create_superuser("desk@shop.example", "not-a-secret-1"))
    for model in (Order, Payment, Email, Shipment, User, Erasure):
        for row in model.objects.all():
            page = desk.get(reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[row.pk]))
            assert page.status_code == 200, (model, row.pk)
    assert "erased" in desk.get(reverse("admin:orders_order_change", args=[order_id])).content.decode()
    assert [found.detail for found in audit.violations()] == []


def test_an_erased_order_answers_no_tracking_number(
    neighbor: Shopper, staff: Shopper, shopper: Shopper, settle: Callable[[], None]
):
    order_id = id_in(neighbor.post("orders", body()))
    settle()
    before = neighbor.order(order_id)
    assert (before["status"], before["tracking_number"] != "") == ("DELIVERED", True)

    assert erased(asked(shopper))

    for reader in (neighbor, staff):
        seen = reader.order(order_id)
        assert (seen["tracking_number"], seen["carrier"], seen["email"]) == (
            "", before["carrier"], "erased@erased.invalid",
        )  # fmt: skip
    assert [each["tracking_number"] for each in neighbor.get("orders").json()["results"]] == [""]


def test_an_order_that_somebody_else_placed_loses_its_recipient_only(
    shopper: Shopper, neighbor: Shopper, settle: Callable[[], None]
):
    order_id = id_in(neighbor.post("orders", body()))
    neighbor.cancel(order_id)
    settle()
    order = Order.objects.get(pk=order_id)

    assert erased(asked(shopper))

    assert named_in(tables(), EMAIL, "Quux") == []
    kept = Order.objects.get(pk=order_id)
    assert (kept.idempotency_key, kept.fingerprint, kept.payment_method) == (
        order.idempotency_key, order.fingerprint, "pm_card_visa",
    )  # fmt: skip
    assert neighbor.order(order_id)["email"] == "erased@erased.invalid"


def test_an_order_that_is_half_erased_is_found_again(
    neighbor: Shopper, settle: Callable[[], None], monkeypatch: pytest.MonkeyPatch
):
    order_id = id_in(neighbor.post("orders", body()))
    settle()
    erasure_id = erasure.ask(person_of(email=EMAIL), asked_by="a test")
    with monkeypatch.context() as patches:
        die_at("shipping", "before", patches)
        with pytest.raises(SystemExit):
            erasure.carry_out(erasure_id)

    assert erased(erasure_id)

    shipment = Shipment.objects.get(order_id=order_id)
    assert (status_of(order_id), shipment.tracking_number, shipment.carrier_reference) == ("DELIVERED", "erased", "")


def test_an_address_that_an_account_never_confirmed_finds_nobody_else_s_orders(
    shopper: Shopper, neighbor: Shopper, settle: Callable[[], None]
):
    shopper.cancel(id_in(shopper.post("orders", body())))
    settle()
    EmailAddress.objects.create(user=neighbor.user, email=EMAIL.upper(), verified=False)
    person = person_of(user_id=neighbor.user.pk)

    assert "Quux" not in json.dumps(export_person(person)["orders"])
    assert erased(erasure.ask(person, asked_by="a test"))
    assert Contact.objects.filter(email=EMAIL).count() == 1


def test_a_guest_is_found_by_the_address_of_an_order(settle: Callable[[], None], mug: str, sandbox: Provider):
    order_id = placed()
    settle()
    assert status_of(order_id) in ENDED

    assert erased(erasure.ask(person_of(email=EMAIL.title()), asked_by="a test"))

    assert named_in(tables(), EMAIL, "Quux") == []


def test_an_address_is_found_whatever_its_letters(settle: Callable[[], None], mug: str, sandbox: Provider):
    order_id = placed()
    settle()
    Contact.objects.filter(pk=order_id).update(email="Ada@stra\u00dfe.example")

    found = keepers.find_orders(person_of(email="aDA@STRA\u00dfE.example"))

    assert [each.order_id for each in found] == [order_id]


@pytest.mark.parametrize("why", ["refund", "owed", "dispute", "mail", "surplus"])
def test_an_ended_order_that_still_needs_its_data_waits(shopper: Shopper, settle: Callable[[], None], why: str):
    order_id = id_in(shopper.post("orders", body()))
    shopper.cancel(order_id)
    settle()
    kept: dict[str, Callable[[], None]] = {
        "refund": lambda: execute("payments", "UPDATE payments_refund SET status = 'PENDING'"),
        "owed": lambda: execute("payments", "UPDATE payments_payment SET owed_minor = 1"),
        "dispute": lambda: execute("payments", "UPDATE payments_payment SET dispute_status = 'UNDER_REVIEW'"),
        "mail": lambda: execute("notifications", "UPDATE notifications_email SET status = 'PENDING'"),
        "surplus": lambda: execute(
            "shipping",
            "INSERT INTO shipping_surplusbooking (shipment_id, order_id, carrier, carrier_reference, attempts, last_error)"
            " VALUES (%s, %s, 'sandbox', 'SBX-1', 0, '')",
            order_id,
            order_id,
        ),
    }
    kept[why]()

    erasure_id = asked(shopper)
    assert not erased(erasure_id)

    waiting = Erasure.objects.get(pk=erasure_id).waiting_for
    assert len(waiting) == 1
    assert str(order_id) in waiting[0]
    assert Contact.objects.get(pk=order_id).erased_at is None
    undo = {
        "refund": ("payments", "UPDATE payments_refund SET status = 'SUCCEEDED'"),
        "owed": ("payments", "UPDATE payments_payment SET owed_minor = 0"),
        "dispute": ("payments", "UPDATE payments_payment SET dispute_status = ''"),
        "mail": ("notifications", "UPDATE notifications_email SET status = 'SENT'"),
        "surplus": ("shipping", "DELETE FROM shipping_surplusbooking"),
    }
    execute(*undo[why])
    assert erased(erasure_id)


@pytest.mark.parametrize("context", ["orders", "payments"])
def test_an_event_of_the_last_minutes_is_named_and_waited_for_no_longer_than_that(
    shopper: Shopper, settle: Callable[[], None], context: str
):
    order_id = id_in(shopper.post("orders", body()))
    shopper.cancel(order_id)
    settle()
    execute(
        context,
        f"UPDATE {context}_outbox SET occurred_at = now(), published_at = now() WHERE aggregate_id = %s",
        order_id,
    )
    erasure_id = asked(shopper)

    assert not erasure.carry_out(erasure_id)

    row = Erasure.objects.get(pk=erasure_id)
    last = {"orders": "order.refunded", "payments": "payment.refunded"}[context]
    assert row.waiting_for == [f"{order_id}: its event {last} is less than 5 minutes old"]
    assert row.due_at is not None
    assert timedelta(minutes=1) < row.due_at - row.asked_at < timedelta(minutes=10)
    let_all_be_heard()
    assert not erasure.carry_out(erasure_id)
    assert Contact.objects.get(pk=order_id).erased_at is not None


def test_an_event_that_is_not_published_is_named(shopper: Shopper, settle: Callable[[], None]):
    order_id = id_in(shopper.post("orders", body()))
    shopper.cancel(order_id)
    settle()
    last = "SELECT max(id) FROM orders_outbox WHERE aggregate_id = %s"
    execute("orders", f"UPDATE orders_outbox SET published_at = NULL WHERE id = ({last})", order_id)

    assert list(keepers.waiting_among([uuid.UUID(str(order_id))]).values()) == [
        "its event order.refunded is not published"
    ]


def test_an_event_that_was_published_minutes_after_it_occurred_is_waited_for(
    shopper: Shopper, settle: Callable[[], None]
):
    order_id = id_in(shopper.post("orders", body()))
    shopper.cancel(order_id)
    settle()
    execute("orders", "UPDATE orders_outbox SET published_at = now() WHERE aggregate_id = %s", order_id)

    assert list(keepers.waiting_among([uuid.UUID(str(order_id))]).values()) == [
        "its event order.refunded is less than 5 minutes old"
    ]


@pytest.mark.parametrize("heard", ["never", "RETRYING", "DEAD"])
def test_an_order_waits_for_whoever_has_yet_to_apply_one_of_its_events(
    shopper: Shopper, settle: Callable[[], None], heard: str
):
    unheard.note_subscriptions()
    execute("shop", "UPDATE shop_subscription SET since = now() - interval '1 day'")
    order_id = id_in(shopper.post("orders", body()))
    shopper.cancel(order_id)
    settle()
    teller = "notifications.tell_customer_order_refunded"
    if heard == "never":
        execute("notifications", "DELETE FROM notifications_inbox WHERE subscriber = %s", teller)
    else:
        execute("notifications", "UPDATE notifications_inbox SET status = %s WHERE subscriber = %s", heard, teller)

    assert list(keepers.waiting_among([uuid.UUID(str(order_id))]).values()) == [
        f"its event order.refunded was not applied by {teller} yet"
    ]
    execute("notifications", "UPDATE notifications_inbox SET status = 'PROCESSED' WHERE subscriber = %s", teller)


def test_an_order_that_waits_for_more_than_minutes_says_so_and_is_looked_at_in_an_hour(
    shopper: Shopper, settle: Callable[[], None]
):
    order_id = id_in(shopper.post("orders", body()))
    shopper.cancel(order_id)
    settle()
    execute("payments", "UPDATE payments_refund SET status = 'PENDING'")
    execute("payments", "UPDATE payments_outbox SET occurred_at = now(), published_at = now()")
    erasure_id = asked(shopper)

    assert not erasure.carry_out(erasure_id)

    row = Erasure.objects.get(pk=erasure_id)
    assert row.waiting_for == [f"{order_id}: a refund is under way"]
    assert row.due_at is not None
    assert row.due_at - row.asked_at > timedelta(minutes=50)
    execute("payments", "UPDATE payments_refund SET status = 'SUCCEEDED'")


def test_a_walk_through_many_sessions_goes_on_where_it_stopped(shopper: Shopper, monkeypatch: pytest.MonkeyPatch):
    for _each in range(6):
        Shopper(shopper.user)
    others = [Shopper(UserFactory()) for _each in range(3)]
    monkeypatch.setattr(accounts, "SESSIONS_AT_ONCE", 2)
    monkeypatch.setattr(accounts, "SECONDS", 0.0)
    erasure_id = asked(shopper)

    looks = 0
    while not erasure.carry_out(erasure_id):
        if not Erasure.objects.get(pk=erasure_id).sessions_read_to:
            pass_settling(erasure_id)
        looks += 1
        assert looks < 40

    assert looks > 5
    assert all(other.get("orders").status_code == 200 for other in others)
    assert named_in(tables(), EMAIL) == []


# --- an address outlives its erasure ------------------------------------------------------------------------------------


def signs_up_again() -> Shopper:
    """Have somebody sign up with the person's address, and confirm it."""
    user = UserFactory(email=EMAIL, first_name="Newcomer")
    EmailAddress.objects.create(user=user, email=EMAIL, primary=True, verified=True)
    return Shopper(user)


@pytest.fixture
def waiting_by_address(shopper: Shopper, order_in: Callable[[str], uuid.UUID]) -> uuid.UUID:
    """An erasure by address that waits for an order under way; the account is closed and the address is free."""
    order_in("CONFIRMED")
    erasure_id = erasure.ask(person_of(email=EMAIL), asked_by="a test")
    assert not erasure.carry_out(erasure_id)
    assert Erasure.objects.get(pk=erasure_id).waiting_for
    return erasure_id


@pytest.mark.parametrize("way", ["email", "user", "admin"])
def test_a_second_erasure_closes_the_account_that_it_names(
    waiting_by_address: uuid.UUID, desk: Client, settle: Callable[[], None], way: str
):
    again = signs_up_again().user
    assert again is not None

    if way == "admin":
        chosen = {"action": "erase_selected", "_selected_action": [str(again.pk)], "post": "yes"}
        desk.post(reverse("admin:shop_user_changelist"), chosen)
        erase_persons()
    else:
        who = EMAIL if way == "email" else str(again.pk)
        call_command("erase_person", f"--{way}", who, "--yes", stdout=io.StringIO())

    again.refresh_from_db()
    assert (again.is_active, again.email.split("@")[1]) == (False, "erased.invalid")
    second = Erasure.objects.get(user_id=again.pk)
    assert second.pk != waiting_by_address
    end_every_order(settle)
    assert erased(waiting_by_address)
    assert erased(second.pk)
    assert named_in(tables(), EMAIL, "Newcomer", "Quux") == []


def test_a_second_request_that_reaches_no_further_is_the_first(waiting_by_address: uuid.UUID, shopper: Shopper):
    assert shopper.user is not None
    for person in (person_of(email=EMAIL), person_of(user_id=shopper.user.pk)):
        assert erasure.ask(person, asked_by="a test") == waiting_by_address
    assert Erasure.objects.count() == 1


def test_a_second_request_reaches_the_orders_that_came_since(
    waiting_by_address: uuid.UUID, neighbor: Shopper, settle: Callable[[], None]
):
    order_id = id_in(neighbor.post("orders", body()))

    second = erasure.ask(person_of(email=EMAIL), asked_by="a test")

    assert second != waiting_by_address
    neighbor.cancel(order_id)
    settle()
    assert erased(second)
    assert Contact.objects.get(pk=order_id).erased_at is not None


def test_an_erasure_reaches_nothing_that_came_after_it(
    shopper: Shopper, neighbor: Shopper, staff: Shopper, settle: Callable[[], None]
):
    before = id_in(neighbor.post("orders", body()))
    neighbor.cancel(before)
    settle()
    erasure_id = erasure.ask(person_of(email=EMAIL), asked_by="a test")
    assert not erasure.carry_out(erasure_id)
    again = signs_up_again()
    entry = LogEntry.objects.log_actions(
        user_id=staff.user.pk, queryset=[again.user], action_flag=2, change_message=f"to {EMAIL}", single_object=True
    )
    late = [id_in(each.post("orders", body())) for each in (again, neighbor)]
    neighbor.cancel(late[1])
    settle()
    answers = set(IdempotencyKey.objects.values_list("pk", flat=True))
    assert len(answers) >= 3

    pass_settling(erasure_id)
    assert erasure.carry_out(erasure_id) or erasure.carry_out(erasure_id)

    assert Contact.objects.get(pk=before).erased_at is not None
    assert set(Contact.objects.filter(pk__in=late, erased_at=None).values_list("pk", "name")) == {
        (uuid.UUID(str(order_id)), ADDRESS.name) for order_id in late
    }
    assert answers == set(IdempotencyKey.objects.values_list("pk", flat=True))
    assert again.get("orders").status_code == 200
    assert Session.objects.count() == 3
    entry.refresh_from_db()
    assert (entry.object_repr, entry.change_message) == (EMAIL, f"to {EMAIL}")


def test_an_answer_about_a_later_order_is_kept_for_who_placed_it(
    shopper: Shopper, neighbor: Shopper, settle: Callable[[], None]
):
    early = id_in(neighbor.post("orders", body()))
    erasure_id = asked(shopper)
    late = id_in(neighbor.post("orders", body()))
    neighbor.cancel(early)
    settle()

    assert erased(erasure_id)

    about = IdempotencyKey.objects.filter(user_id=neighbor.user.pk, path__endswith="/orders")
    assert [json.loads(body)["id"] for body in about.values_list("response_body", flat=True)] == [str(late)]


def test_an_order_under_way_that_came_after_it_keeps_no_erasure_open(shopper: Shopper, neighbor: Shopper):
    erasure_id = asked(shopper)
    assert not erasure.carry_out(erasure_id)
    id_in(neighbor.post("orders", body()))

    assert erased(erasure_id)


def test_what_the_trail_says_of_an_address_goes_with_its_account(shopper: Shopper, staff: Shopper):
    """Written after the request and before the account is closed: an entry about an address that only it has."""
    erasure_id = asked(shopper)
    LogEntry.objects.log_actions(
        user_id=staff.user.pk,
        queryset=EmailAddress.objects.filter(user=shopper.user),
        action_flag=2,
        single_object=True,
    )

    assert erased(erasure_id)

    assert named_in(tables(), EMAIL) == []


# --- the commands -----------------------------------------------------------------------------------------------------


def test_a_dry_run_says_what_would_be_erased_and_changes_nothing(
    shopper: Shopper, order_in: Callable[[str], uuid.UUID]
):
    order_id = order_in("CONFIRMED")
    before = tables()
    printed = io.StringIO()

    call_command("erase_person", "--email", EMAIL, stdout=printed)

    assert tables() == before
    assert f"would wait: order {order_id}: order " in printed.getvalue()
    assert "nothing was changed" in printed.getvalue()


def test_the_command_erases_and_can_be_run_again(shopper: Shopper, settle: Callable[[], None]):
    shopper.cancel(id_in(shopper.post("orders", body())))
    settle()

    for _twice in range(2):
        printed = io.StringIO()
        call_command("erase_person", "--user", str(shopper.user.pk), "--yes", stdout=printed)
        assert "erased what may go now" in printed.getvalue()

    asked_for = Erasure.objects.get()
    pass_settling(asked_for.pk)
    erase_persons()
    assert Erasure.objects.get().finished_at is not None
    assert named_in(tables(), *CANARIES) == []
    with pytest.raises(CommandError, match="nothing is stored"):
        call_command("erase_person", "--email", EMAIL, "--yes")


def test_an_export_is_json_without_secrets_and_for_nobody_else(whole_life: Shopper, neighbor: Shopper):
    printed = io.StringIO()
    call_command("export_person", "--email", EMAIL, stdout=printed)

    told = json.loads(printed.getvalue())
    assert told["format"] == "shop-person/1"
    assert len(told["orders"]["contacts"]) == len(STATUSES) + 1
    assert len(told["payments"]["payments"]) >= len(STATUSES) - 1
    text = printed.getvalue()
    assert "neighbor" not in text
    assert str(neighbor.user.pk) not in text
    for secret in ("pbkdf2", whole_life.headers["Authorization"][7:], '"secret"'):
        assert secret not in text


def test_an_export_warns_of_orders_that_others_placed(shopper: Shopper, neighbor: Shopper):
    shopper.post("orders", body())
    printed, warned = io.StringIO(), io.StringIO()
    call_command("export_person", "--email", EMAIL, stdout=printed, stderr=warned)
    assert warned.getvalue() == ""

    order_id = id_in(neighbor.post("orders", body()))
    printed = io.StringIO()
    call_command("export_person", "--email", EMAIL, stdout=printed, stderr=warned)

    assert "1 order of another account" in warned.getvalue()
    assert str(order_id) in warned.getvalue()
    assert str(order_id) in {row["id"] for row in json.loads(printed.getvalue())["orders"]["orders"]}


def test_a_command_refuses_who_is_nobody(database: None):
    for arguments in (["--user", str(uuid.uuid4())], ["--email", "nobody@shop.example"], ["--user", "x"]):
        for command in ("erase_person", "export_person"):
            with pytest.raises(CommandError):
                call_command(command, *arguments)


# --- retention --------------------------------------------------------------------------------------------------------


@pytest.fixture
def aged(shopper: Shopper, order_in: Callable[[str], uuid.UUID], settings: Any) -> dict[str, uuid.UUID]:
    """Orders past their retention, ended and under way, and a young one."""
    settings.CONTACT_RETENTION_DAYS = 30
    found = {name: order_in(status) for name, status in (("under way", "CONFIRMED"), ("old", "REFUNDED"))}
    execute("orders", "UPDATE orders_order SET placed_at = now() - interval '31 days'")
    found["young"] = order_in("REFUNDED")
    tell_all()
    return found


def test_contacts_past_their_retention_are_erased(aged: dict[str, uuid.UUID], monkeypatch: pytest.MonkeyPatch):
    retention.erase_aged()

    kept = set(Contact.objects.filter(erased_at=None).values_list("pk", flat=True))
    assert kept == {aged["under way"], aged["young"]}
    order = Order.objects.get(pk=aged["old"])
    assert (order.payment_method, order.fingerprint, Payment.objects.get(pk=order.pk).payment_method) == (
        "",
        "erased",
        "",
    )
    assert retention.erase_aged() == 0


def test_pages_of_contacts_that_wait_keep_nobody_from_their_turn(
    aged: dict[str, uuid.UUID], monkeypatch: pytest.MonkeyPatch
):
    from orders.services import personal

    monkeypatch.setattr(personal, "BATCH", 1)

    retention.erase_aged()

    assert Contact.objects.get(pk=aged["old"]).erased_at is not None


def test_retention_leaves_an_order_alone_whose_money_is_not_settled(aged: dict[str, uuid.UUID]):
    execute("payments", "UPDATE payments_payment SET owed_minor = 1 WHERE order_id = %s", aged["old"])

    assert retention.erase_aged() == 0

    assert Contact.objects.get(pk=aged["old"]).erased_at is None
    execute("payments", "UPDATE payments_payment SET owed_minor = 0")


def test_without_an_end_nothing_is_erased(aged: dict[str, uuid.UUID], settings: Any):
    settings.CONTACT_RETENTION_DAYS = 0

    assert retention.erase_aged() == 0
    assert Contact.objects.filter(erased_at=None).count() == 3


def test_discarded_letters_and_the_staff_s_trail_end_with_their_retention(shopper: Shopper, settings: Any):
    from shop.events.inbox import bury

    for _each in range(2):
        bury(context="orders", subscriber="orders.x", attributes={"id": str(uuid.uuid4()), "raw": EMAIL}, error="no")
    execute("orders", "UPDATE orders_inbox SET status = 'DISCARDED'")
    execute(
        "orders",
        "UPDATE orders_inbox SET received_at = now() - interval '366 days' WHERE id = (SELECT min(id) FROM orders_inbox)",
    )
    LogEntry.objects.log_actions(user_id=shopper.user.pk, queryset=[shopper.user, shopper.user], action_flag=2)
    execute(
        "shop",
        "UPDATE django_admin_log SET action_time = now() - interval '3651 days'"
        " WHERE id = (SELECT min(id) FROM django_admin_log)",
    )

    prune_events()
    assert prune_staff_log() == 1

    left = json.loads(rows_of(apps.get_model("orders", "Inbox")))
    assert len(left) == LogEntry.objects.count() == 1


# --- the admin --------------------------------------------------------------------------------------------------------


@pytest.fixture
def desk(database: None) -> Iterator[Client]:
    client = Client()
    names = ("shop.view_user", "shop.change_user", "shop.view_erasure", "shop.erase_person")
    client.force_login(UserFactory(email="desk@shop.example", is_staff=True, permissions=names))
    return client


def test_staff_erase_a_person_after_a_question_and_it_is_recorded(desk: Client, shopper: Shopper):
    page = reverse("admin:shop_user_changelist")
    chosen = {"action": "erase_selected", "_selected_action": [str(shopper.user.pk)]}

    question = desk.post(page, chosen)
    assert (question.status_code, Erasure.objects.count()) == (200, 0)
    assert "no way back" in question.content.decode()
    desk.post(page, chosen | {"post": "yes"})

    asked_for = Erasure.objects.get()
    actor = User.objects.get(email="desk@shop.example")
    assert (asked_for.user_id, asked_for.asked_by) == (shopper.user.pk, str(actor.pk))
    entry = LogEntry.objects.get(object_id=str(shopper.user.pk))
    assert (entry.user_id, entry.change_message) == (actor.pk, "erasure asked for")
    assert erased(asked_for.pk)
    entry.refresh_from_db()
    assert (entry.object_repr, entry.change_message, entry.user_id) == ("erased", "erasure asked for", actor.pk)
    assert named_in(tables(), EMAIL) == []


def test_staff_erase_nobody_who_may_more_than_they(desk: Client):
    chief = User.objects.create_superuser("chief@shop.example", "not-a-secret-1")

    desk.post(
        reverse("admin:shop_user_changelist"),
        {"action": "erase_selected", "_selected_action": [str(chief.pk)], "post": "yes"},
    )

    assert not Erasure.objects.exists()


def test_without_the_permission_there_is_no_such_action(shopper: Shopper):
    client = Client()
    client.force_login(UserFactory(is_staff=True, permissions=("shop.view_user", "shop.change_user")))

    client.post(
        reverse("admin:shop_user_changelist"),
        {"action": "erase_selected", "_selected_action": [str(shopper.user.pk)], "post": "yes"},
    )

    assert not Erasure.objects.exists()


def test_an_erasure_that_nobody_goes_on_with_is_named_by_audit_and_metrics(shopper: Shopper):
    erasure_id = asked(shopper)
    execute("shop", "UPDATE shop_erasure SET due_at = now() - interval '1 hour', asked_at = now() - interval '26 days'")

    assert [found.subject for found in audit.violations()] == [f"erasure {erasure_id}"]
    assert erasure.oldest_open()[()] > timedelta(days=25).total_seconds()
    assert erased(erasure_id)
    assert erasure.oldest_open()[()] == 0
