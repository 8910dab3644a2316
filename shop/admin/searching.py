"""Lists of the admin that cost the same over a million rows: searched exactly and by index, counted to a bound."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from django.contrib.admin import AllValuesFieldListFilter, FieldListFilter
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import CharField, Field, IntegerField, Model, Q

from shop.counting import MOST, count_up_to
from shop.story.timeline import order_named
from shop.text import words

_CODE = re.compile("[A-Za-z]+(_[A-Za-z]+)+")
NOTHING = Q(pk__in=[])
ORDER_ID = "order_id"


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # Django's own takes no argument as it runs
    """Pages of the first MOST rows: whoever looks for more than that searches."""

    @cached_property
    def count(self) -> int:
        """Return how many rows there are, at most MOST."""
        return count_up_to(self.object_list, MOST)  # type: ignore[arg-type]  # the admin's lists are querysets


class RecentValuesFilter(AllValuesFieldListFilter):
    """Offers the values that the newest rows have; those of all rows would be a reading of the table for each page."""

    def __init__(  # noqa: PLR0917  Django's own signature
        self, field: Any, request: Any, params: Any, model: type[Model], model_admin: Any, field_path: str
    ) -> None:
        super().__init__(field, request, params, model, model_admin, field_path)
        newest = model_admin.get_queryset(request).order_by("-pk").values_list(field_path, flat=True)[:MOST]
        self.lookup_choices = sorted(set(newest), key=str)  # type: ignore[assignment]  # any iterable will do

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Offer codes in words: "out of stock" for out_of_stock."""
        for choice in super().choices(changelist):
            shown = choice["display"]
            yield {**choice, "display": words(shown) if isinstance(shown, str) and _CODE.fullmatch(shown) else shown}


def _is_plain(field: Field[Any, Any]) -> bool:
    return isinstance(field, (CharField, IntegerField)) and not field.choices


FieldListFilter.register(_is_plain, RecentValuesFilter, take_priority=True)


def matching(model: type[Model], path: str, term: str) -> Q:
    """Return the condition that the field at `path` is `term`; a text also in capitals or in small letters.

    `path` may lead over one relation: "order__number". Where orders are named by their id, the number that customers
    know finds them as well. Nothing matches what cannot be a value of the field.
    """
    name, _, rest = path.partition("__")
    field: Any = model._meta.get_field(name)
    if rest == "iexact":
        return Q(**{path: term})
    if rest and rest != "exact":
        return _matching_related(field, rest, term)
    if isinstance(field, CharField):
        return Q(**{f"{name}__in": sorted({term, term.upper(), term.lower()})})
    try:
        return Q(**{name: field.to_python(term)})
    except ValidationError:
        order_id = order_named(term) if name == ORDER_ID else None
        return Q(**{name: order_id}) if order_id else NOTHING


def _matching_related(field: Any, rest: str, term: str) -> Q:
    """Look the related rows up first: a condition over two tables at once is answered by no index."""
    related = field.related_model
    key = field.remote_field.attname if field.auto_created else "pk"
    keys = related._default_manager.filter(matching(related, rest, term)).values_list(key, flat=True)[:MOST]
    return Q(**{"pk__in" if field.auto_created else f"{field.name}__in": list(keys)})
