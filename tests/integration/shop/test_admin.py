"""The admin shows everything and edits nothing; dead letters are decided by permission, and it is written who did."""

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from shop.admin import ReadOnlyAdmin, register_tile
from shop.admin.tiles import Dashboard
from shop.clock import now
from shop.contexts import CONTEXTS
from shop.events import dead_letters, inbox
from shop.events.inbox import DeliveryStatus, inbox_of
from shop.events.past import HistoryEntry
from shop.ids import new_id
from shop.models import User


@pytest.fixture
def context():
    return inbox.hearing_contexts()[0]


@pytest.fixture
def letter(database, context):
    inbox.bury(
        context=context,
        subscriber=f"{context}.nobody",
        attributes={"id": "1", "type": "test.happened", "data": {"sku": "<b>A</b>"}},
        error="KeyError: 'nobody'",
    )
    return inbox_of(context)._default_manager.get()


@pytest.fixture
def tiles(monkeypatch):
    monkeypatch.setattr(Dashboard, "tiles", {})


def reader(*codenames):
    user = User.objects.create_user("reader@shop.example", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(user)
    return client


def page(context, name, *args):
    return reverse(f"admin:{context}_inbox_{name}", args=args)


def test_every_model_of_every_context_has_a_page(database):
    models = {model for model in apps.get_models() if model._meta.app_label in CONTEXTS}
    inlines = {inline.model for each in admin.site._registry.values() for inline in each.inlines}

    assert {model._meta.label for model in models - inlines - set(admin.site._registry)} == set()


RULES = {"orders.TaxRate", "orders.Fee", "orders.DiscountCode", "shipping.ShippingOption", "shipping.ShippingRate"}


def test_no_model_of_a_context_is_edited_by_hand_but_the_rules_of_prices(staff):
    for model, each in admin.site._registry.items():
        if model._meta.app_label in CONTEXTS:
            edited = model._meta.label in RULES
            assert isinstance(each, ReadOnlyAdmin) != edited, model
            url = f"admin:{model._meta.app_label}_{model._meta.model_name}"
            # That of products leads to the list, whose button adds one.
            refused = 302 if model._meta.label == "inventory.Product" else 403
            assert staff.get(reverse(f"{url}_add")).status_code == (200 if edited else refused), model
            assert staff.post(reverse(f"{url}_add")).status_code == (200 if edited else refused), model
            assert staff.get(reverse(f"{url}_changelist")).status_code == 200, model


def test_a_dead_letter_shows_its_envelope_and_its_error(staff, context, letter):
    shown = staff.get(page(context, "change", letter.pk)).content.decode()

    assert "test.happened" in shown
    assert "KeyError" in shown
    assert "<b>A</b>" not in shown


def test_saving_the_page_of_a_dead_letter_is_forbidden(staff, context, letter):
    response = staff.post(page(context, "change", letter.pk), {"status": "PROCESSED"})

    letter.refresh_from_db()
    assert response.status_code == 403
    assert letter.status == DeliveryStatus.DEAD


def test_discarding_is_recorded_with_who_did_it(staff, context, letter):
    staff.post(
        page(context, "changelist"), {"action": "discard_selected", "_selected_action": [letter.pk], "post": "yes"}
    )

    letter.refresh_from_db()
    assert (letter.status, letter.decided_by) == (DeliveryStatus.DISCARDED, str(staff.user.pk))
    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_id, entry.change_message) == (staff.user, str(letter.pk), "discarded")


def test_the_button_on_the_page_asks_first_and_then_discards(staff, context, letter):
    url = page(context, "change", letter.pk).replace("/change/", "/discard/")

    asked = staff.get(url)
    letter.refresh_from_db()
    assert (asked.status_code, letter.status) == (200, DeliveryStatus.DEAD)

    done = staff.post(url, {"_form_submitted": "on"}, headers={"HX-Request": "true"})
    letter.refresh_from_db()
    assert done["HX-Redirect"] == page(context, "change", letter.pk)
    assert letter.status == DeliveryStatus.DISCARDED


def test_the_page_of_a_fact_of_the_past_tells_what_it_says(staff, context):
    (history,) = [model for model in apps.get_app_config(context).get_models() if issubclass(model, HistoryEntry)]
    fact = history._default_manager.create(
        id=1,
        event_id=new_id(),
        type="test.happened",
        schema_version=1,
        aggregate_id=new_id(),
        aggregate_version=1,
        payload={"sku": "<b>A</b>"},
        occurred_at=now(),
    )

    url = reverse(f"admin:{context}_{history._meta.model_name}_change", args=[fact.pk])
    shown = staff.get(url).content.decode()

    assert "&lt;b&gt;A&lt;/b&gt;" in shown
    assert "<b>A</b>" not in shown


def test_the_button_on_the_page_replays_what_can_be_read(staff, context, letter, monkeypatch):
    replayed = []
    monkeypatch.setattr(dead_letters, "replay", lambda **asked: replayed.append(asked))

    done = staff.post(page(context, "change", letter.pk).replace("/change/", "/replay/"), {"_form_submitted": "on"})

    assert done["Location"] == page(context, "change", letter.pk)
    assert replayed == [{"context": context, "entry_id": letter.pk, "staff": str(staff.user.pk)}]
    assert LogEntry.objects.get().change_message.startswith("replayed")


def test_replaying_what_this_release_cannot_read_is_refused_with_a_message(staff, context, letter):
    response = staff.post(
        page(context, "changelist"),
        {"action": "replay_selected", "_selected_action": [letter.pk], "post": "yes"},
        follow=True,
    )

    letter.refresh_from_db()
    assert letter.status == DeliveryStatus.DEAD
    assert "cannot be replayed" in response.content.decode()
    assert not LogEntry.objects.exists()


def test_who_may_only_look_decides_nothing(context, letter):
    client = reader("view_inbox")

    client.post(
        page(context, "changelist"), {"action": "discard_selected", "_selected_action": [letter.pk], "post": "yes"}
    )
    direct = client.post(page(context, "change", letter.pk).replace("/change/", "/discard/"), {"_form_submitted": "on"})

    letter.refresh_from_db()
    assert client.get(page(context, "change", letter.pk)).status_code == 200
    assert direct.status_code == 403
    assert letter.status == DeliveryStatus.DEAD


def test_who_may_not_look_sees_nothing(database, context):
    assert reader().get(page(context, "changelist")).status_code == 403


def test_the_dashboard_shows_the_tiles_and_survives_one_that_fails(staff, tiles):
    def broken():
        raise OSError("database away")

    register_tile("orders", "Orders by status", lambda: {"CONFIRMED": 41_007})
    register_tile("payments", "Unresolved payments", broken)

    shown = staff.get(reverse("admin:index")).content.decode()

    assert "Orders by status" in shown
    assert "41007" in shown
    assert "Cannot be read at the moment" in shown


def test_a_tile_is_for_those_who_may_see_its_context(database, tiles):
    register_tile("orders", "Orders by status", lambda: {"CONFIRMED": 1})

    assert "Orders by status" not in reader("view_product").get(reverse("admin:index")).content.decode()


def test_staff_make_users_by_email(staff):
    response = staff.post(
        reverse("admin:shop_user_add"),
        {"email": "new@shop.example", "password1": "a long password", "password2": "a long password"},
    )

    assert response.status_code == 302
    assert User.objects.get(email="new@shop.example").check_password("a long password")
