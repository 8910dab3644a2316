"""Actions on selected rows: each asks first, names what it is about to do and to how many, and only then does it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from django.contrib.admin import helpers
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from shop.admin.pages import action

# Rows that the question lists by name; of more it tells how many there are.
MOST_NAMED = 20

BulkMethod = Callable[[Any, HttpRequest, QuerySet[Any]], None]
Asking = Callable[[Any, HttpRequest, QuerySet[Any]], HttpResponse | None]


def bulk_action(*, description: str, consequence: str, permissions: Sequence[str] = ("act",)) -> Callable[..., Asking]:
    """Make a method an action on the selected rows that asks before it acts.

    `consequence`: one sentence that says what happens to each of them; it stands in the question.
    """

    def decorate(method: BulkMethod) -> Asking:
        @wraps(method)
        def asking(self: Any, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
            if request.POST.get("post") != "yes":
                return _question(self, request, queryset, description=description, consequence=consequence)
            method(self, request, queryset)
            return None

        asking.asks = consequence  # type: ignore[attr-defined]
        made: Asking = action(description=description, permissions=permissions)(asking)
        return made

    return decorate


def _question(
    page: Any, request: HttpRequest, queryset: QuerySet[Model], *, description: str, consequence: str
) -> HttpResponse:
    count = queryset.count()
    selected = request.POST.getlist(helpers.ACTION_CHECKBOX_NAME)
    context = page.admin_site.each_context(request) | {
        "title": description,
        "consequence": consequence,
        "count": count,
        "named": [str(row) for row in queryset[:MOST_NAMED]],
        "unnamed": max(0, count - MOST_NAMED),
        "opts": page.opts,
        "checkbox_name": helpers.ACTION_CHECKBOX_NAME,
        "selected": selected,
        "action": request.POST.get("action", ""),
        "select_across": request.POST.get("select_across", "0"),
    }
    return TemplateResponse(request, "shop/confirm_selected.html", context)
