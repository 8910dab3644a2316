"""The rows as a picture: how far each stands from its bars, on a logarithmic scale, so that better is always right."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

WIDTH, LEFT, ROW, TOP = 900, 330, 22, 46
# Of the least: a hundredth at the left edge, a hundredfold at the right.
SPAN = 100.0
COLORS = {"aim": "#1a7f37", "ok": "#9a6700", "below": "#cf222e"}


def picture(rows: Sequence[dict[str, Any]]) -> str:
    """Return the SVG of rows as they stand in var/bench.json."""
    height = TOP + ROW * len(rows) + 20
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        '<text x="10" y="18" font-size="14" font-weight="bold">make bench: distance from what must be reached at least</text>',
        '<text x="10" y="34" fill="#57606a">right of the line is better; the small mark is the aim</text>',
        f'<line x1="{_x(1):.0f}" y1="{TOP - 6}" x2="{_x(1):.0f}" y2="{height - 14}" stroke="#57606a"/>',
    ]
    for number, row in enumerate(rows):
        parts += _bar(row, TOP + ROW * number)
    return "\n".join([*parts, "</svg>", ""])


def _bar(row: dict[str, Any], y: int) -> list[str]:
    value, aim = row["ratio"], row["aim"]
    least = row.get("at_least", row.get("at_most"))
    lower = "at_most" in row
    parts = [f'<text x="{LEFT - 60}" y="{y + 13}" text-anchor="end">{escape(row["name"])}</text>']
    if value is None or math.isnan(value):
        return [*parts, f'<text x="{LEFT}" y="{y + 13}" fill="#57606a">{escape(row["verdict"])}</text>']
    color = COLORS.get(row["verdict"], "#57606a")
    start, end = sorted((_x(1), _x(_distance(value, least, lower=lower))))
    mark = _x(_distance(aim, least, lower=lower))
    return [
        *parts,
        f'<text x="{LEFT - 10}" y="{y + 13}" text-anchor="end" fill="{color}">{value:.3g}</text>',
        f'<rect x="{start:.1f}" y="{y + 3}" width="{max(2.0, end - start):.1f}" height="{ROW - 8}" fill="{color}"/>',
        f'<line x1="{mark:.1f}" y1="{y + 1}" x2="{mark:.1f}" y2="{y + ROW - 3}" stroke="#1a7f37" stroke-dasharray="3 2"/>',
    ]


def _distance(value: float, least: float, *, lower: bool) -> float:
    """Return how many times better than the least a value is; a bar of 0 counts as 1."""
    if lower:
        return max(least, 1e-9) / max(value, 1e-9) if least else 1 / (1 + value)
    return value / least


def _x(times: float) -> float:
    share = math.log(min(max(times, 1 / SPAN), SPAN)) / math.log(SPAN)
    middle = LEFT + (WIDTH - LEFT - 20) / 2
    return middle + share * (WIDTH - LEFT - 20) / 2
