"""The door before the views that work on an order: beyond the bound a 503 problem, before anything is read or recorded."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from shop.resilience.admission import Overloaded, Place, orders_at_work
from shop.rest.problem import problem_of
from shop.rest.query import StrictQueryView


class AdmittedView(StrictQueryView):
    """A view whose POST is let in by `orders_at_work`, before the caller is even known.

    `may_only_repeat`: this request was let in only to look. `idempotent` then gives it the answer that is kept under its
    key, or turns it away.
    """

    may_only_repeat = False

    def works_on_order(self, request: HttpRequest) -> bool:
        """Return whether the request will keep its thread while a provider is called."""
        return request.method == "POST"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Let the request in, or answer 503 with Retry-After at once."""
        if not self.works_on_order(request):
            return super().dispatch(request, *args, **kwargs)
        try:
            with orders_at_work.enter() as place:
                self.may_only_repeat = place is Place.LOOK
                return super().dispatch(request, *args, **kwargs)
        except Overloaded as refusal:
            return problem_of(refusal).plain_response()
