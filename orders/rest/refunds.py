"""The refunds of an order, page by page: payments has the rows, so the cursor names the refund beside the page."""

from __future__ import annotations

import uuid
from typing import Any

from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import remove_query_param, replace_query_param

from orders.rest.serializers import moment
from payments import api as payments
from shop.rest.pagination import CursorPagination
from shop.rest.problem import money_json

# What a cursor says before the refund's id: the page holds what is older, or newer, than it.
OLDER, NEWER = "o", "n"


def answer_refunds(request: Request, *, order_id: uuid.UUID, with_reasons: bool) -> Response:
    """Answer with a page of refunds, newest first. Raises: ValidationError for a cursor or limit that is none."""
    limit = CursorPagination().get_page_size(request)
    assert limit is not None  # noqa: S101  PAGE_SIZE is set
    page = _page(order_id, request.query_params.get("cursor"), limit)
    return CursorPagination.answer(
        [_represent(refund, with_reason=with_reasons) for refund in page.refunds],
        next_link=_link(request, OLDER, page.refunds[-1]) if page.has_older and page.refunds else None,
        previous_link=_link(request, NEWER, page.refunds[0]) if page.has_newer and page.refunds else None,
    )


def _page(order_id: uuid.UUID, cursor: str | None, limit: int) -> payments.RefundPage:
    if not cursor:
        return payments.page_refunds(order_id=order_id, limit=limit)
    side, _dot, refund = cursor.partition(".")
    try:
        beside = uuid.UUID(refund)
        if side == OLDER:
            return payments.page_refunds(order_id=order_id, limit=limit, older_than=beside)
        if side == NEWER:
            return payments.page_refunds(order_id=order_id, limit=limit, newer_than=beside)
    except (ValueError, payments.UnknownRefund):
        pass
    raise ValidationError({"cursor": ["This is not a cursor of this list; start without one."]})


def _link(request: Request, side: str, refund: payments.RefundState) -> str:
    url = remove_query_param(request.build_absolute_uri(), "cursor")
    return str(replace_query_param(url, "cursor", f"{side}.{refund.refund_id}"))


def _represent(refund: payments.RefundState, *, with_reason: bool) -> dict[str, Any]:
    return {
        "id": str(refund.refund_id),
        "status": refund.status,
        "amount": money_json(refund.amount),
        "created_at": moment(refund.created_at),
        **({"reason": refund.reason} if with_reason else {}),
    }
