"""What orders decides without a database."""

from datetime import timedelta

from babel.core import get_global

import inventory.api
import payments.api
from orders.rules import REASON_OF_REFUSAL, CancelReason, cancel_reason, seconds_to_next_look
from orders.sagas.engine import PaymentDeadlinePassed, PaymentUnavailable
from orders.services import MixedCurrencies, TooMuchHeldUnpaid, TotalChanged
from shop.errors import Refusal


def test_every_refusal_that_means_something_to_the_customer_exists_where_it_is_raised():
    doors = [getattr(door, name) for door in (inventory.api, payments.api) for name in door.__all__]
    raised = {kind.code for kind in doors if isinstance(kind, type) and issubclass(kind, Refusal)}

    own = {PaymentDeadlinePassed.code, PaymentUnavailable.code, TooMuchHeldUnpaid.code}
    assert set(REASON_OF_REFUSAL) <= raised | own


def test_a_refusal_without_a_meaning_of_its_own_cancels_as_refused():
    assert cancel_reason("card_declined") == CancelReason.CARD_DECLINED
    assert cancel_reason("something_new") == CancelReason.REFUSED


def test_refusals_of_the_order_itself_name_their_status():
    assert {MixedCurrencies.http_status, TotalChanged.http_status} == {422, 409}
    assert "EUR" in get_global("all_currencies")


def test_a_lost_webhook_costs_ten_seconds_early_and_thirty_later():
    assert [seconds_to_next_look(timedelta(seconds=age)) for age in (0, 119, 120, 900)] == [10, 10, 30, 30]
