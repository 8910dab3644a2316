"""The shell: one page for every address of the storefront, the same for everybody."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.templatetags.static import static
from django.views.decorators.http import conditional_page, require_safe

from shop.rest import policies
from shop.rest.compression import compressed

# All of them at once, so that a browser does not find them one behind the other.
_FILES = Path(__file__).parent / "static"
MODULES = sorted(path.relative_to(_FILES).as_posix() for path in _FILES.glob("storefront/**/*.js"))


def only_if_on(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Have a view answer 404 while the shop has a storefront of its own (STOREFRONT=false)."""

    @wraps(view)
    def answer(request: HttpRequest, **in_path: object) -> HttpResponseBase:
        if not settings.STOREFRONT:
            raise Http404
        return view(request, **in_path)

    return answer


@only_if_on
@compressed
@conditional_page
@require_safe
def shell(request: HttpRequest, **in_path: object) -> HttpResponse:
    """Return the page whose scripts read the address and show what belongs there.

    It names what only the server knows: how cards are taken. Every visit asks whether it has changed (ETag), since it
    names the scripts.
    """
    key, bank = settings.STRIPE_PUBLISHABLE_KEY, settings.STRIPE_TEST_BANK
    shown = {"cards": cards_are_taken(), "key": key, "bank": bank, "modules": [static(name) for name in MODULES]}
    answer = render(request, "storefront/index.html", shown)
    answer[policies.HEADER] = policies.storefront(stripe=bool(key), test_bank=bank)
    answer["Cache-Control"] = "no-cache"
    return answer


def cards_are_taken() -> str:
    """Return how the page gets a token of a card: by Stripe's script, from the test cards, or not at all.

    Test cards are tokens that Stripe and the sandbox both know; a live key never takes one.
    """
    if settings.STRIPE_PUBLISHABLE_KEY:
        return "stripe"
    return "test" if settings.STRIPE_API_KEY.startswith(("sk_test_", "rk_test_")) else "none"
