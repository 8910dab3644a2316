"""The receipt of an order: what was bought, what it cost, which tax is in it, what was paid and what went back.

`figures` computes it from the order and its payment, `sheet` puts it into words, `page` and `pdf` set these. A receipt is not an
invoice: it has no number of its own, the order's serves (docs/adr/0043-a-receipt-is-not-an-invoice.md). `pdf` is
imported with the first document that somebody wants.
"""

from orders.receipts.figures import Receipt, ReceiptNotReady, Seller, make_receipt
from orders.receipts.page import policy, write_page
from orders.receipts.sheet import Sheet, write_sheet

__all__ = [
    "Receipt",
    "ReceiptNotReady",
    "Seller",
    "Sheet",
    "make_receipt",
    "policy",
    "write_page",
    "write_sheet",
]
