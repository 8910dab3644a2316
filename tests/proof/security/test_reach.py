"""Staff who look after accounts: nobody gives what they do not have, and only a superuser touches a superuser."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse

from shop.models import User
from tests.driver.factories import PASSWORD, UserFactory

NEW = "a-longer-passphrase-7"
KEEPER = (
    "shop.view_user",
    "shop.change_user",
    "shop.delete_user",
    "auth.view_group",
    "auth.change_group",
    "auth.delete_group",
    "mfa.view_authenticator",
    "mfa.delete_authenticator",
    "account.change_emailaddress",
    "account.view_emailaddress",
)

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def keeper() -> User:
    """Return a member of staff who looks after accounts and may do nothing else."""
    made: User = UserFactory(is_staff=True, permissions=KEEPER)
    return made


@pytest.fixture
def desk(keeper: User) -> Client:
    return at(keeper)


def at(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def named(*names: str) -> list[int]:
    return [
        Permission.objects.get(content_type__app_label=name.partition(".")[0], codename=name.partition(".")[2]).pk
        for name in names
    ]


def save(desk: Client, user: User, **changes: Any) -> Any:
    """Send the form of an account, as it stands but for what changes."""
    form = {
        "email": user.email,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "is_active": "on" if user.is_active else "",
        "is_staff": "on" if user.is_staff else "",
        "groups": [group.pk for group in user.groups.all()],
        "user_permissions": [each.pk for each in user.user_permissions.all()],
    } | changes
    return desk.post(
        reverse("admin:shop_user_change", args=[user.pk]), {name: value for name, value in form.items() if value != ""}
    )


def held(user: User) -> set[str]:
    return User.objects.get(pk=user.pk).get_all_permissions()


def test_nobody_makes_themselves_a_superuser(desk: Client, keeper: User):
    answer = save(desk, keeper, is_superuser="on", first_name="Ada")

    assert answer.status_code == 302
    keeper.refresh_from_db()
    assert (keeper.is_superuser, keeper.first_name) == (False, "Ada")
    assert held(keeper) == set(KEEPER)


@pytest.mark.parametrize("who", ["themselves", "somebody else"])
def test_nobody_gives_a_permission_that_they_do_not_have(who: str, desk: Client, keeper: User):
    user = keeper if who == "themselves" else UserFactory(is_staff=True)

    answer = save(desk, user, user_permissions=named("orders.refund_order", "shop.view_user"))

    assert "is not one of the available choices" in answer.content.decode()
    assert "orders.refund_order" not in held(user)


def test_what_one_has_can_be_given_and_taken(desk: Client):
    user = UserFactory(is_staff=True)

    save(desk, user, user_permissions=named("shop.view_user"))
    assert held(user) == {"shop.view_user"}

    save(desk, user, user_permissions=[])
    assert held(user) == set()


def test_nobody_gives_a_role_that_holds_more_than_they_have(desk: Client, keeper: User):
    more, less = Group.objects.create(name="cashiers"), Group.objects.create(name="readers")
    more.permissions.set(named("orders.refund_order", "shop.view_user"))
    less.permissions.set(named("shop.view_user"))

    save(desk, keeper, groups=[more.pk])
    assert list(keeper.groups.all()) == []

    assert save(desk, keeper, groups=[less.pk]).status_code == 302
    assert list(keeper.groups.all()) == [less]


def test_nobody_puts_into_a_role_what_they_do_not_have(desk: Client, keeper: User):
    own = Group.objects.create(name="readers")
    keeper.groups.add(own)

    desk.post(
        reverse("admin:auth_group_change", args=[own.pk]),
        {"name": "readers", "permissions": named("orders.refund_order")},
    )

    assert held(keeper) == set(KEEPER)


@pytest.mark.parametrize("action", ["change", "delete"])
def test_a_role_that_holds_more_is_out_of_reach(action: str, desk: Client):
    more = Group.objects.create(name="cashiers")
    more.permissions.set(named("orders.refund_order"))

    answer = desk.post(reverse(f"admin:auth_group_{action}", args=[more.pk]), {"name": "mine", "post": "yes"})

    assert answer.status_code == 403
    assert Group.objects.get(pk=more.pk).name == "cashiers"


def superuser() -> User:
    return User.objects.create_superuser("boss@shop.example", PASSWORD)


def who_refunds() -> User:
    made: User = UserFactory(is_staff=True, permissions=("orders.refund_order",))
    return made


def who_refunded_once() -> User:
    """Return an account that is not active: its permissions come back with it."""
    made: User = UserFactory(is_staff=True, is_active=False, permissions=("orders.refund_order",))
    return made


@pytest.mark.parametrize("make", [superuser, who_refunds, who_refunded_once])
def test_an_account_that_may_do_more_is_out_of_reach(make: Any, desk: Client):
    user = make()
    second = Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data={"secret": "hush"})
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)

    taken = {
        "its form": save(desk, user, email="mine@shop.example", is_active="on").status_code,
        "its password": desk.post(
            f"/admin/shop/user/{user.pk}/password/",
            {"password1": NEW, "password2": NEW, "usable_password": "true", "set-password": "1"},
        ).status_code,
        "its end": desk.post(reverse("admin:shop_user_delete", args=[user.pk]), {"post": "yes"}).status_code,
        "its second factor": desk.post(
            reverse("admin:mfa_authenticator_delete", args=[second.pk]), {"post": "yes"}
        ).status_code,
        "an address for it": desk.post(
            reverse("admin:account_emailaddress_add"),
            {"user": str(user.pk), "email": "mine@shop.example", "verified": "on"},
        ).status_code,
    }

    assert taken == dict.fromkeys(taken, 403)
    fresh = User.objects.get(pk=user.pk)
    assert (fresh.email, fresh.password, fresh.is_active) == (user.email, user.password, user.is_active)
    assert Authenticator.objects.filter(user=user).exists()
    assert [each.email for each in EmailAddress.objects.all()] == [user.email]


def test_many_accounts_are_not_deleted_where_one_is_out_of_reach(desk: Client):
    boss, shopper = superuser(), UserFactory()

    desk.post(
        reverse("admin:shop_user_changelist"),
        {"action": "delete_selected", "_selected_action": [str(boss.pk), str(shopper.pk)], "post": "yes"},
    )

    assert User.objects.filter(pk__in=[boss.pk, shopper.pk]).count() == 2


def test_the_secret_of_a_second_factor_is_shown_to_nobody(desk: Client):
    second = Authenticator.objects.create(
        user=UserFactory(), type=Authenticator.Type.TOTP, data={"secret": "hush-hush"}
    )

    page = desk.get(reverse("admin:mfa_authenticator_change", args=[second.pk]))

    assert (page.status_code, "hush-hush" in page.content.decode()) == (200, False)


def test_a_superuser_makes_superusers_and_gives_everything():
    boss, user = superuser(), UserFactory(is_staff=True)

    save(at(boss), user, is_superuser="on", user_permissions=named("orders.refund_order"))

    user.refresh_from_db()
    assert user.is_superuser
    assert [each.codename for each in user.user_permissions.all()] == ["refund_order"]
