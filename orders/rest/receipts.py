"""The receipt of an order over HTTP: a page or a PDF, whichever the caller's Accept prefers."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from rest_framework import status
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from orders.queries import OrderState
from orders.receipts import Receipt, Seller, make_receipt, policy, write_page, write_sheet
from payments import api as payments
from shop.rest.preconditions import etag_of, is_fresh

# One for both, so that a query parameter does not choose between them.
FORMAT = "receipt"


class PageRenderer(JSONRenderer):
    """Writes a receipt as a page, and problems as every answer does."""

    media_type = "text/html"
    format = FORMAT
    charset = "utf-8"

    def render(self, data: Any, *args: Any, **kwargs: Any) -> bytes:
        """Return the page, or the problem."""
        return write_page(write_sheet(data)) if isinstance(data, Receipt) else super().render(data, *args, **kwargs)


class PdfRenderer(JSONRenderer):
    """Writes a receipt as PDF, and problems as every answer does."""

    media_type = "application/pdf"
    format = FORMAT

    def render(self, data: Any, *args: Any, **kwargs: Any) -> bytes:
        """Return the document, or the problem."""
        if not isinstance(data, Receipt):
            return super().render(data, *args, **kwargs)
        from orders.receipts.pdf import write_pdf  # noqa: PLC0415  most processes set none, and it costs them 20 MB

        return write_pdf(data)


EXTENSIONS = {PageRenderer.media_type: "html", PdfRenderer.media_type: "pdf"}


def answer_receipt(request: Request, order: OrderState, *, payment: payments.PaymentState | None) -> Response:
    """Answer with the receipt; 304 where the caller holds it already. Raises: ReceiptNotReady."""
    seller = Seller(
        name=settings.SELLER_NAME, address=tuple(settings.SELLER_ADDRESS), vat_number=settings.SELLER_VAT_NUMBER
    )
    receipt = make_receipt(order=order, payment=payment, seller=seller)
    chosen = EXTENSIONS[request.accepted_renderer.media_type]
    etag = etag_of(f"{write_sheet(receipt).tag}-{chosen}")
    headers = {
        "ETag": etag,
        # A name and an address: for the caller's own cache, which asks each time whether it still is so.
        "Cache-Control": "private, no-cache",
        "Vary": "Accept, Authorization, X-Session-Token, X-Order-Token",
    }
    if is_fresh(request, etag):
        return Response(status=status.HTTP_304_NOT_MODIFIED, headers=headers)
    name = f'inline; filename="receipt-{receipt.number}.{chosen}"'
    headers |= {"Content-Disposition": name, "Content-Security-Policy": policy()}
    return Response(receipt, headers=headers)
