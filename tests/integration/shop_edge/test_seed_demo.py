"""The users of the demo shop can sign in, also where addresses must be verified."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core.management import call_command
from django.test import Client

from local.demo import data as demo_data
from shop.models import User


@pytest.mark.parametrize("was_there", [False, True])
def test_demo_users_sign_in_where_addresses_must_be_verified(database: None, settings: Any, was_there: bool):
    settings.DEMO_DATA_ALLOWED = True
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    if was_there:  # as an earlier release made it, and left it once somebody had signed in
        user = User.objects.create_user(demo_data.SHOPPER.email, demo_data.SHOPPER.password)
        EmailAddress.objects.create(user=user, email=demo_data.SHOPPER.email, primary=True, verified=False)

    for _time in range(2):
        call_command("seed_demo", verbosity=0)

    for who in (demo_data.SHOPPER, demo_data.STAFF):
        answer = Client().post(
            "/_allauth/app/v1/auth/login",
            {"email": who.email, "password": who.password},
            content_type="application/json",
        )
        assert (answer.status_code, EmailAddress.objects.get(email=who.email).verified) == (200, True)
