"""The first page: tiles that contexts register, since the kernel cannot ask them, and the sidebar by context."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest

log = structlog.get_logger(__name__)
_THIS_MACHINE = {"localhost", "127.0.0.1", "::1"}
admin.site.index_template = "shop/dashboard.html"


@dataclass(frozen=True)
class Figure:
    """One figure of a tile: what it counts, how many, and where to see them."""

    label: str
    value: object
    url: str = ""


@dataclass(frozen=True)
class Tile:
    """One card of the dashboard: `figures()` is asked whenever a member of staff opens the page."""

    context: str
    title: str
    figures: Callable[[], Iterable[Figure]]


class Dashboard:
    """The tiles that contexts registered, in their order."""

    tiles: ClassVar[dict[tuple[str, str], Tile]] = {}


def register_tile(context: str, title: str, figures: Callable[[], Mapping[str, object] | Iterable[Figure]]) -> None:
    """Have the dashboard show `figures()` of a context: a mapping label -> number, or Figures that link somewhere."""

    def normalized() -> Iterable[Figure]:
        found = figures()
        return [Figure(label, value) for label, value in found.items()] if isinstance(found, Mapping) else found

    Dashboard.tiles[context, title] = Tile(context, title, normalized)


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Fill the admin's first page (settings UNFOLD["DASHBOARD_CALLBACK"]); a tile that fails says so, alone."""
    cards = [_shown(tile) for tile in Dashboard.tiles.values() if _may_see(request, tile)]
    return context | {"tiles": cards}


def storefront(request: HttpRequest) -> str | None:
    """Return where "View site" leads (settings UNFOLD["SITE_URL"]); None, so no link, without any storefront.

    Where the reference storefront is off, this server has no front page to lead to.
    """
    if not settings.STOREFRONT_URL:
        return "/" if settings.STOREFRONT else None
    url, here = urlsplit(settings.STOREFRONT_URL), urlsplit(f"//{request.get_host()}")
    same_host = url.hostname == here.hostname or {url.hostname, here.hostname} <= _THIS_MACHINE
    is_here = same_host and url.port == here.port
    return None if is_here and not settings.STOREFRONT else str(settings.STOREFRONT_URL)


def _may_see(request: HttpRequest, tile: Tile) -> bool:
    return request.user.is_authenticated and request.user.has_module_perms(tile.context)


def _shown(tile: Tile) -> dict[str, Any]:
    card: dict[str, Any] = {"context": tile.context, "title": tile.title, "figures": [], "failed": False}
    try:
        return card | {"figures": list(tile.figures())}
    except Exception:
        # The page must open while a context's database is away: that is when it is needed.
        log.exception("admin.tile_failed", context=tile.context, title=tile.title)
        return card | {"failed": True}


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the sidebar: a section per context with the models that this member of staff may see."""
    apps = {app["app_label"]: app for app in admin.site.get_app_list(request)}
    order = [*settings.ADMIN_SECTIONS, *sorted(apps.keys() - settings.ADMIN_SECTIONS.keys())]
    return [
        {
            "title": apps[label]["name"],
            "separator": True,
            "collapsible": False,
            "items": [
                {
                    "title": model["name"],
                    "icon": settings.ADMIN_SECTIONS.get(label, "database"),
                    "link": model["admin_url"],
                }
                for model in apps[label]["models"]
            ],
        }
        for label in order
        if label in apps
    ]
