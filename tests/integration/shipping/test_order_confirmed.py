"""Hearing order.confirmed: one shipment, whatever the bus does; a failing handler leaves a dead letter."""

import threading

import pytest
from django.db import IntegrityError, connections

from orders.models import Order
from shipping import api as shipping
from shipping.models import Inbox, Outbox, Shipment
from shop import transactions
from shop.events import dead_letters, inbox
from shop.events.inbox import DeliveryStatus
from shop.ids import new_id


def facts_of(shipment: Shipment) -> list[str]:
    return list(Outbox.objects.filter(aggregate_id=shipment.pk).order_by("id").values_list("type", flat=True))


def test_event_delivered_twice_makes_one_shipment(confirmed_order, hear_confirmed):
    order_id, event_id = confirmed_order(), new_id()

    first = hear_confirmed(order_id, event_id=event_id)
    second = hear_confirmed(order_id, event_id=event_id)

    shipment = Shipment.objects.get(order_id=order_id)
    assert (first, second) == (DeliveryStatus.PROCESSED, None)
    assert facts_of(shipment) == ["shipment.created"]


def test_same_fact_under_another_event_id_makes_one_shipment(confirmed_order, hear_confirmed):
    order_id = confirmed_order()

    heard = [hear_confirmed(order_id), hear_confirmed(order_id)]

    assert heard == [DeliveryStatus.PROCESSED] * 2
    assert facts_of(Shipment.objects.get(order_id=order_id)) == ["shipment.created"]


def test_the_database_itself_refuses_an_order_s_second_shipment():
    order_id = new_id()
    Shipment.objects.create(order_id=order_id)

    with pytest.raises(IntegrityError):
        Shipment.objects.create(order_id=order_id)


def test_confirmation_heard_after_the_cancellation_finds_the_door_shut(confirmed_order, hear_confirmed):
    order_id = confirmed_order()

    canceled = shipping.cancel_shipment(order_id=order_id, reason="customer_request")
    heard = hear_confirmed(order_id)

    shipment = Shipment.objects.get(order_id=order_id)
    assert canceled.status == shipment.status == "CANCELED"
    assert heard == DeliveryStatus.PROCESSED
    assert shipment.due_at is None
    assert facts_of(shipment) == ["shipment.canceled"]


def test_confirmation_and_cancellation_at_once_always_end_canceled(confirmed_order, hear_confirmed):
    for _round in range(10):
        order_id, barrier = confirmed_order(), threading.Barrier(2)

        def confirm(order_id=order_id, barrier=barrier):
            barrier.wait()
            hear_confirmed(order_id)
            connections.close_all()

        thread = threading.Thread(target=confirm)
        thread.start()
        barrier.wait()
        shipping.cancel_shipment(order_id=order_id, reason="customer_request")
        thread.join()

        shipment = Shipment.objects.get(order_id=order_id)
        assert shipment.status == "CANCELED"
        assert facts_of(shipment)[-1] == "shipment.canceled"
        assert len(facts_of(shipment)) == shipment.version


@pytest.fixture
def shipments_cannot_be_made(database):
    """Have the database refuse new shipments until `lift` is called."""
    connection = connections[transactions.alias_for("shipping")]

    def run(sql):
        with connection.cursor() as cursor:
            cursor.execute(sql)

    run(
        "CREATE OR REPLACE FUNCTION shipping.refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'planted'; END $$"
    )
    run("CREATE TRIGGER refuse BEFORE INSERT ON shipping_shipment FOR EACH ROW EXECUTE FUNCTION shipping.refuse()")

    def lift():
        run("DROP TRIGGER IF EXISTS refuse ON shipping_shipment")

    yield lift
    lift()


def test_order_whose_shipment_cannot_be_made_stays_confirmed_and_its_event_is_a_dead_letter(
    confirmed_order, hear_confirmed, shipments_cannot_be_made, settings
):
    settings.EVENTS_MAX_ATTEMPTS = 2
    order_id, event_id = confirmed_order(), new_id()

    first = hear_confirmed(order_id, event_id=event_id)
    second = hear_confirmed(order_id, event_id=event_id)

    assert (first, second) == (DeliveryStatus.RETRYING, DeliveryStatus.DEAD)
    letter = next(dead_letters.dead_letters("shipping"))
    assert "planted" in letter.error
    assert Order.objects.get(pk=order_id).status == "CONFIRMED"
    assert not Shipment.objects.exists()

    shipments_cannot_be_made()
    dead_letters.replay(context="shipping", entry_id=letter.pk, staff="sam")
    inbox.retry_due("shipping")

    assert Shipment.objects.get(order_id=order_id).status == "PENDING"
    assert Inbox.objects.get().status == DeliveryStatus.PROCESSED
