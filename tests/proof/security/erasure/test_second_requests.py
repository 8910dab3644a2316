"""A second request reaches what the first did not, and neither reaches what came after it."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Callable

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from orders.models import Contact
from shop.models import Erasure, IdempotencyKey
from shop.personal import erasure
from shop.personal.accounts import person_of
from shop.tasks import erase_persons
from tests.driver.shopper import Shopper, id_in
from tests.proof.security.erasure.person import (
    ADDRESS,
    EMAIL,
    asked,
    body,
    end_every_order,
    erased,
    named_in,
    pass_settling,
    signs_up_again,
    tables,
)


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
