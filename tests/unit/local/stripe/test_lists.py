"""Pages of objects: newest first, complete, without repetition."""

from __future__ import annotations

from typing import Unpack

import pytest
import stripe
from stripe.params import PaymentIntentListParamsCreated

from .clients import Control, Shop


def test_automatic_paging_sees_every_intent_once_newest_first(shop: Shop) -> None:
    made = [shop.create().id for _ in range(12)]

    seen = [intent.id for intent in shop.intents.list({"limit": 5}).auto_paging_iter()]

    assert seen == made[::-1]


def test_page_before_an_object_is_the_one_next_to_it(shop: Shop) -> None:
    made = [shop.create().id for _ in range(6)]

    page = shop.intents.list({"limit": 2, "ending_before": made[1]})

    assert [intent.id for intent in page.data] == [made[3], made[2]]
    assert page.has_more


def test_last_page_says_that_there_is_no_more(shop: Shop) -> None:
    made = [shop.create().id for _ in range(3)]

    assert not shop.intents.list({"limit": 3}).has_more
    assert shop.intents.list({"limit": 2}).has_more
    assert shop.intents.list({"starting_after": made[0]}).data == []


def test_created_range_selects(shop: Shop, control: Control) -> None:
    old = shop.create()
    control.post("clock", {"advance_seconds": 1000})
    new = shop.create()

    def ids(**created: Unpack[PaymentIntentListParamsCreated]) -> list[str]:
        return [intent.id for intent in shop.intents.list({"created": created}).data]

    assert ids(gte=new.created) == [new.id]
    assert ids(gt=old.created) == [new.id]
    assert ids(lt=new.created) == [old.id]
    assert ids(gte=old.created, lte=new.created) == [new.id, old.id]
    assert [found.id for found in shop.intents.list({"created": new.created}).data] == [new.id]


def test_charges_are_listed_by_intent(shop: Shop) -> None:
    mine, _ = shop.authorized(), shop.authorized()

    charges = shop.stripe.v1.charges.list({"payment_intent": mine.id}).data

    assert [charge.id for charge in charges] == [mine.latest_charge]


def test_events_are_filtered_by_type(shop: Shop) -> None:
    shop.captured()
    events = shop.stripe.v1.events

    assert [event.type for event in events.list({"type": "payment_intent.succeeded"}).data] == [
        "payment_intent.succeeded"
    ]
    assert {event.type for event in events.list({"type": "charge.*"}).data} == {"charge.succeeded", "charge.captured"}
    two = events.list({"types": ["payment_intent.created", "charge.captured"]}).data
    assert [event.type for event in two] == ["charge.captured", "payment_intent.created"]
    one = events.retrieve(two[0].id)
    assert one.data.object["object"] == "charge"


def test_event_shows_the_object_as_it_was_then(shop: Shop) -> None:
    shop.captured()

    created = shop.stripe.v1.events.list({"type": "payment_intent.created"}).data[0]

    assert created.data.object["status"] != "succeeded"


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"limit": 0}, "parameter_invalid_integer"),
        ({"limit": 101}, "parameter_invalid_integer"),
        ({"starting_after": "pi_nobody"}, "resource_missing"),
        ({"created": {"around": 1}}, "parameter_unknown"),
        ({"surprise": 1}, "parameter_unknown"),
    ],
)
def test_malformed_list_request_is_refused(shop: Shop, params: dict[str, object], code: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.intents.list(params)  # type: ignore[arg-type]

    assert (caught.value.http_status, caught.value.code) == (400, code)


def test_lists_expand_inside_their_data(shop: Shop) -> None:
    shop.authorized()

    (intent,) = shop.intents.list({"expand": ["data.latest_charge"]}).data

    assert intent.latest_charge["status"] == "succeeded"  # type: ignore[index]
