"""Disputes in both books, compared both ways: what the provider lists and we record differently, and what only we have.

The list and our rows may be a moment old: whatever differs is asked for once more before anything is said of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from payments.gateways import DisputeSnapshot, provider
from payments.models import Dispute, Payment
from payments.services.disputes import find_dispute_difference, is_missing_there
from payments.services.listed import is_ours


def iter_disputes_of_ours(*, since: datetime) -> Iterator[tuple[Payment, DisputeSnapshot]]:
    """Yield what the provider lists of our payments since then, each with its payment. Raises: as the provider does."""
    for seen in provider().iter_disputes(since=since, concerns=is_ours):
        payment = Payment.objects.filter(intent_id=seen.intent_id).first()
        if payment is not None:
            yield payment, seen


def iter_dispute_differences(*, since: datetime) -> Iterator[tuple[Payment, str]]:
    """Yield the payments whose disputes since then differ in the two books, with what differs. Raises: as above."""
    listed = set()
    for payment, seen in iter_disputes_of_ours(since=since):
        listed.add(seen.provider_dispute_id)
        if find_dispute_difference(payment, seen):
            fresh = provider().retrieve_dispute(provider_dispute_id=seen.provider_dispute_id)
            if detail := find_dispute_difference(payment, fresh):
                yield payment, detail
    ours = Dispute.objects.filter(opened_at__gte=since).select_related("payment").order_by("pk")
    for dispute in ours.iterator():
        if dispute.provider_dispute_id not in listed and is_missing_there(dispute):
            yield dispute.payment, f"{dispute} here, and the provider knows no such dispute"
