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
    return render(request, "shop/problems.html", {"problems": known_problems().items()})


@require_safe
def problem(request: HttpRequest, code: str) -> HttpResponse:
    """Explain one problem: its `type` leads here."""
    known = known_problems()
    if code not in known:
        raise Http404
    return render(request, "shop/problems.html", {"problems": [(code, known[code])]})


urlpatterns = [
    path("health", health.health, name="health"),
    path("ready", health.ready, name="ready"),
    path("metrics", metrics, name="metrics"),
    path("problems/", problems, name="problems"),
    path("problems/<slug:code>", problem, name="problem"),
]
