"""A receipt as a page: without a script, with its own stylesheet in it, and made to be printed."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path

from django.template.loader import render_to_string

from orders.receipts.sheet import LINE_HEADINGS, TAX_HEADINGS, Sheet

_STYLES = Path(__file__).resolve().parent / "receipt.css"


@cache
def _styles() -> str:
    return _STYLES.read_text(encoding="utf-8")


@cache
def policy() -> str:
    """Return the Content-Security-Policy of the page: its own stylesheet, by its digest, and nothing else."""
    digest = base64.b64encode(hashlib.sha256(_styles().encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def write_page(sheet: Sheet) -> bytes:
    """Return the page."""
    context = {"sheet": sheet, "styles": _styles(), "line_headings": LINE_HEADINGS, "tax_headings": TAX_HEADINGS}
    return render_to_string("orders/receipt.html", context).encode()
