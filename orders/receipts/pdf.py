"""A receipt as PDF, set by ReportLab in Noto Sans: the letters of Latin, Greek, Cyrillic and Devanagari.

Another letter becomes U+FFFD, and the sheet says so. The page shows all of them; it is also what a screen reader reads.
"""

from __future__ import annotations

import io
import unicodedata
from dataclasses import fields, is_dataclass, replace
from html import escape
from typing import Any

import fontpkg
from babel.dates import format_date
from reportlab import platypus
from reportlab.lib import pagesizes
from reportlab.lib.colors import HexColor
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from orders.receipts.figures import Receipt
from orders.receipts.sheet import LINE_HEADINGS, TAX_HEADINGS, Party, Sheet, Sum, write_sheet
from shop.locales import DEFAULT, babel_locale

MISSING = "\ufffd"
SOME_MISSING = f"{MISSING} stands for letters that this document cannot show; the receipt's page shows them."
FONT = "Noto Sans"
# What is never seen: marks of direction, joiners, variation selectors.
_UNSEEN = dict.fromkeys([*range(0x200B, 0x2010), *range(0x2060, 0x2065), *range(0xFE00, 0xFE10), 0x061C])
_TEXT, _QUIET, _RULE = "#1f2937", "#4b5563", "#d1d5db"
_LETTER_COUNTRIES = frozenset({"US", "CA", "MX", "CL", "CO", "PH"})
_MARGIN = 51
# What ReportLab's frame leaves free at each side within the margins.
_PADDING = 6

_font = TTFont(FONT, str(fontpkg.path(FONT)))
pdfmetrics.registerFont(_font)
_LETTERS = frozenset(_font.face.charToGlyph)
# In a narrow column a name without a space is broken anywhere.
_PLAIN = ParagraphStyle("plain", fontName=FONT, fontSize=9, leading=13, textColor=HexColor(_TEXT), splitLongWords=1)
_STYLES = {
    "plain": _PLAIN,
    "figure": ParagraphStyle("figure", _PLAIN, alignment=2),
    "title": ParagraphStyle("title", _PLAIN, fontSize=20, leading=26),
    "quiet": ParagraphStyle("quiet", _PLAIN, textColor=HexColor(_QUIET), fontSize=8, leading=11),
    "quiet figure": ParagraphStyle("quiet figure", _PLAIN, textColor=HexColor(_QUIET), fontSize=8, alignment=2),
    "large": ParagraphStyle("large", _PLAIN, fontSize=12, leading=16),
    "large figure": ParagraphStyle("large figure", _PLAIN, fontSize=12, leading=16, alignment=2),
}
_FLUSH = [
    ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ("LEFTPADDING", (0, 0), (0, -1), 0),
    ("RIGHTPADDING", (-1, 0), (-1, -1), 0),
]


def write_pdf(receipt: Receipt) -> bytes:
    """Return the document: the same bytes for the same receipt."""
    sheet = sheet_for_pdf(receipt)
    out = io.BytesIO()
    _set(sheet, out, letter=receipt.deliver_to.country in _LETTER_COUNTRIES)
    return out.getvalue()


def sheet_for_pdf(receipt: Receipt) -> Sheet:
    """Return the sheet in letters that the font has; where it lacks those of a locale's dates and amounts, in the default's."""
    locale = babel_locale(receipt.locale)
    written = format_date(receipt.placed_at, format="long", locale=locale) + receipt.total.localized(locale=locale)
    sheet = write_sheet(receipt, tag=receipt.locale if MISSING not in printable(written) else DEFAULT)
    shown: Sheet = _printable(sheet)
    return shown if MISSING not in repr(shown) else replace(shown, notes=(SOME_MISSING, *shown.notes))


def printable(text: str) -> str:
    """Return a text in the letters that the font has; letters and their accents are one where there is such a letter."""
    composed = unicodedata.normalize("NFC", text).translate(_UNSEEN)
    return "".join(letter if ord(letter) in _LETTERS else MISSING for letter in composed)


def _printable(value: Any) -> Any:
    """Return `printable` of each text that a sheet holds, however deep."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, tuple):
        return tuple(map(_printable, value))
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{each.name: _printable(getattr(value, each.name)) for each in fields(value)})
    return value


def _set(sheet: Sheet, out: io.BytesIO, *, letter: bool) -> None:
    size = pagesizes.letter if letter else pagesizes.A4
    document = platypus.SimpleDocTemplate(
        out,
        pagesize=size,
        leftMargin=_MARGIN - _PADDING,
        rightMargin=_MARGIN - _PADDING,
        topMargin=_MARGIN,
        bottomMargin=_MARGIN + 14,
        title=sheet.title,
        author=sheet.seller.heading,
        lang="en",
        invariant=1,
    )
    document.build(_story(sheet, size[0] - 2 * _MARGIN), canvasmaker=_numbered(sheet.title))


def _story(sheet: Sheet, width: float) -> list[Any]:
    """Return what stands on the sheet from top to bottom, as ReportLab sets it."""
    facts = [_paragraph(f"{name}: {text}") for name, text in sheet.facts]
    seller = [
        _paragraph(sheet.seller.heading, "large figure"),
        *(_paragraph(line, "figure") for line in sheet.seller.lines),
    ]
    lines = [
        (
            _paragraph(line.number),
            [_paragraph(line.name), _paragraph(line.sku, "quiet")],
            _paragraph(line.quantity, "figure"),
            _paragraph(line.unit_price, "figure"),
            _paragraph(line.amount, "figure"),
        )
        for line in sheet.lines
    ]
    shares = (0.07, 0.45, 0.12, 0.17, 0.19)
    return [
        _columns([[_paragraph(sheet.title, "title"), platypus.Spacer(1, 4), *facts], seller], width),
        platypus.Spacer(1, 22),
        _columns([_party(party) for party in sheet.parties], width),
        platypus.Spacer(1, 22),
        _ruled(LINE_HEADINGS, lines, [share * width for share in shares], figures_from=2),
        platypus.Spacer(1, 12),
        _sums(sheet.sums, width),
        *_taxes(sheet, width),
        platypus.Spacer(1, 12),
        _sums(sheet.paid, width),
        platypus.Spacer(1, 18),
        *(_paragraph(note, "quiet") for note in sheet.notes),
    ]


def _taxes(sheet: Sheet, width: float) -> list[Any]:
    if not sheet.taxes:
        return []
    rows = [(_paragraph(name), _paragraph(net, "figure"), _paragraph(tax, "figure")) for name, net, tax in sheet.taxes]
    widths = [0.5 * width, 0.25 * width, 0.25 * width]
    return [platypus.Spacer(1, 18), _ruled(TAX_HEADINGS, rows, widths, figures_from=1)]


def _paragraph(text: str, style: str = "plain") -> Any:
    """Return a paragraph of plain text: nothing in it is read as markup."""
    return platypus.Paragraph(escape(text, quote=False), _STYLES[style])


def _party(party: Party) -> list[Any]:
    return [_paragraph(party.heading, "quiet"), *map(_paragraph, party.lines)]


def _columns(columns: list[Any], width: float) -> Any:
    """Return columns of one width beside each other."""
    table = platypus.Table([columns], colWidths=[width / len(columns)] * len(columns))
    table.setStyle(
        [
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LEFTPADDING", (0, 0), (-1, -1), 0),
            ("RIGHTPADDING", (0, 0), (-1, -1), 0),
        ]
    )
    return table


def _ruled(headings: tuple[str, ...], rows: list[Any], widths: list[float], *, figures_from: int) -> Any:
    """Return a table whose headings stand on each page that it goes over."""
    heads = [_paragraph(text, "quiet figure" if at >= figures_from else "quiet") for at, text in enumerate(headings)]
    table = platypus.Table([heads, *rows], colWidths=widths, repeatRows=1)
    table.setStyle([*_FLUSH, ("LINEBELOW", (0, 0), (-1, 0), 1, _RULE), ("LINEBELOW", (0, 1), (-1, -1), 0.5, _RULE)])
    return table


def _sums(sums: tuple[Sum, ...], width: float) -> Any:
    """Return the sums at the right; they stay together on one page."""
    rows = [
        (
            _paragraph(each.label, "large" if each.stands_out else "plain"),
            _paragraph(each.amount, "large figure" if each.stands_out else "figure"),
        )
        for each in sums
    ]
    table = platypus.Table(rows, colWidths=[0.35 * width, 0.25 * width], hAlign="RIGHT")
    table.setStyle([*_FLUSH, ("LINEBELOW", (0, 0), (-1, -1), 0.5, _RULE), ("NOSPLIT", (0, 0), (-1, -1))])
    return table


def _numbered(title: str) -> type[Any]:
    """Return a canvas that writes on each page which of how many it is, which is known at the end."""

    class Numbered(Canvas):  # type: ignore[misc]
        """Keeps each page until the last one is done."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._pages: list[dict[str, Any]] = []

        def showPage(self) -> None:  # noqa: N802  ReportLab's name
            """Keep the page."""
            self._pages.append(dict(self.__dict__))
            self._startPage()

        def save(self) -> None:
            """Write each page's number, then the document."""
            for number, page in enumerate(self._pages, start=1):
                self.__dict__.update(page)
                self.setFont(FONT, 8)
                self.setFillColor(_QUIET)
                self.drawCentredString(
                    self._pagesize[0] / 2, _MARGIN - 14, f"{title}, page {number} of {len(self._pages)}"
                )
                super().showPage()
            super().save()

    return Numbered
