"""Orders that were in flight when a release was replaced: this release finishes each of them as that one would have."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.carrier.models import SandboxBooking
from notifications.models import Email
from orders.models import Order, Saga
from payments.models import Refund
from shipping.models import Shipment
from tests.driver.orders import levels, pass_deadline
from tests.driver.provider import Provider
from tests.proof.crashes.enumeration import settle, violations_at_rest
from tests.proof.report import Record
from tests.proof.upgrade.acting import AT_ONCE, IN_THEIR_TIME, nobody
from tests.proof.upgrade.releases import Release, Scene, present_version, recorded_releases
from tests.proof.upgrade.restoring import Serve, databases_of, write_books

RELEASES = recorded_releases()


# Mails that later releases send about what an earlier one was silent on.
MAILED_SINCE = {"the bank returns a refund": {"refund_returned": 1, "refund_issued": 1}}


def test_this_release_is_recorded():
    assert present_version() in {release.version for release in RELEASES}, (
        "write down what this release leaves in flight: python -m tests.proof.upgrade.record " + present_version()
    )


@pytest.mark.timeout(600)
@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.version)
def test_orders_in_flight_are_finished_by_this_release(
    release: Release, serve: Serve, tmp_path: Path, settings: Any, proof: Record
):
    write_books(release, tmp_path / "books")

    with databases_of(release), serve(tmp_path / "books") as provider:
        for acts, transit_seconds in ((AT_ONCE, 3600.0), (IN_THEIR_TIME, 0.0)):
            settings.SANDBOX_CARRIER_TRANSIT_SECONDS = transit_seconds
            for scene in release.scenes:
                acts.get(scene.then, nobody)(scene, provider)
            settle()
        # Since 0.1.0 an order whose card is declined waits for another one: here nobody brings any.
        for scene in release.scenes:
            if scene.name.startswith("decline:"):
                pass_deadline(uuid.UUID(scene.order_id))
        settle()
        wrong = [f"{scene.name}: {fact}" for scene in release.scenes for fact in wrongs(scene, provider)]
        wrong += list(violations_at_rest())

    proof("upgrade: order in flight", histories=len(release.scenes), of=len(release.scenes), violations=wrong)
    assert wrong == []


def wrongs(scene: Scene, provider: Provider) -> Iterator[str]:
    """Say what of an order did not end as it must."""
    order_id = uuid.UUID(scene.order_id)
    mails = Email.objects.filter(order_id=order_id)
    shipments = Shipment.objects.filter(order_id=order_id).values("pk")
    is_ = {
        "status": Order.objects.get(pk=order_id).status,
        "money": list(provider.money(order_id)),
        "stock": list(levels(scene.sku)),
        "mails": dict(Counter(mails.values_list("kind", flat=True))),
        "bookings": SandboxBooking.objects.filter(reference__in=shipments, voided_at=None).count(),
    }
    expected = scene.expected | {"mails": scene.expected["mails"] | MAILED_SINCE.get(scene.name.partition(":")[0], {})}
    rest = {
        "money still held": sum(line["held"] for line in provider.ledger(order_id)),
        "sagas still open": Saga.objects.filter(order_id=order_id, finished_at=None).count(),
        "mails not sent": mails.exclude(status="SENT").count(),
        "refunds still open": Refund.objects.filter(payment_id=order_id, status__in=["REQUESTED", "PENDING"]).count(),
    }
    for fact, (found, must) in {
        **{name: (is_[name], expected[name]) for name in is_},
        **{name: (found, 0) for name, found in rest.items()},
    }.items():
        if found != must:
            yield f"{fact}: {found} instead of {must}"
