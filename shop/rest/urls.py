"""The kernel's addresses: health, readiness, metrics, and the pages that explain problems.

/metrics has no login: it is for the monitoring inside the network, and the gateway refuses it to the outside.
"""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from shop.rest import health, probes
from shop.rest.problem import known_problems


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer with what Prometheus scrapes."""
    return probes.metrics_answer(request.headers.get("Accept", ""))


@require_safe
def problems(request: HttpRequest) -> HttpResponse:
    """List every problem the API may answer."""
    return _page(request, known_problems())


@require_safe
def problem(request: HttpRequest, code: str) -> HttpResponse:
    """Explain one problem: its `type` leads here."""
    known = known_problems()
    if code not in known:
        raise Http404
    return _page(request, {code: known[code]})


def _page(request: HttpRequest, known: dict[str, tuple[str, int, str]]) -> HttpResponse:
    """Show problems; in what explains one every second part is code, which stands in backticks there."""
    told = [(code, title, status, explanation.split("`")) for code, (title, status, explanation) in known.items()]
    return render(request, "shop/problems.html", {"problems": told})


urlpatterns = [
    path("health", health.health, name="health"),
    path("ready", health.ready, name="ready"),
    path("metrics", metrics, name="metrics"),
    path("problems/", problems, name="problems"),
    path("problems/<slug:code>", problem, name="problem"),
]
