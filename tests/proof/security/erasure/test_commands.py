"""The commands that export and erase a person."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Callable

import pytest
from django.core.management import CommandError, call_command

from shop.models import Erasure
from tests.driver.orders import STATUSES
from tests.driver.shopper import Shopper, id_in
from tests.proof.security.erasure.person import CANARIES, EMAIL, body, named_in, pass_settling, tables


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
    printed = io.StringIO()
    call_command("erase_person", "--user", str(shopper.user.pk), "--yes", stdout=printed)
    assert printed.getvalue() == f"erased; nothing is left (erasure {asked_for.pk})\n"
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
