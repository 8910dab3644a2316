"""A person is exported whole and erased whole: before, every table that names them is in the export; after, none does."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from functools import partial

import pytest
from django.core import mail

from orders.models import Contact, Order
from orders.sagas.entry import resume
from payments.models import Payment
from shipping.models import Shipment
from shop.models import Erasure
from shop.personal import erasure, keepers
from shop.personal.accounts import person_of
from shop.personal.export import export_person
from shop.tasks import erase_persons
from tests.driver.orders import STATUSES, placed, status_of
from tests.driver.provider import in_threads
from tests.driver.shopper import Shopper, id_in
from tests.proof.report import Record
from tests.proof.security.erasure.person import (
    ADDRESS,
    CANARIES,
    EMAIL,
    ENDED,
    asked,
    body,
    die_at,
    end_every_order,
    erased,
    named_in,
    pass_settling,
    tables,
    tell_all,
)


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
        *[partial(resume, order_id=order_id) for order_id in order_ids],
    )
    assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    settle()

    assert {status_of(order_id) for order_id in order_ids} == {"DELIVERED"}
    assert sorted({message.to[0] for message in mail.outbox}) == [EMAIL]
    assert erased(erasure_id)
    assert named_in(tables(), EMAIL, "Quux") == []
