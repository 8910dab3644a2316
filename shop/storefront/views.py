"""The shell: one page for every address of the storefront, the same for everybody."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.templatetags.static import static
from django.views.decorators.http import conditional_page, require_safe

from shop.errors import Fault
from shop.rest import policies, problem
from shop.rest.compression import compressed

# All of them at once, so that a browser does not find them one behind the other.
_FILES = Path(__file__).parent / "static"
MODULES = sorted(path.relative_to(_FILES).as_posix() for path in _FILES.glob("storefront/**/*.js"))
# Says whether a product of this SKU can be seen; the context that has products registers it.
_find_product: list[Callable[[str], bool]] = []
# Addresses of others: their own 404 is enough.
_NOT_OURS = ("/admin/", "/static/")


@dataclass(frozen=True)
class Missing:
    """What a page says that is not there; its script (pages/not-here.js and others) says the same."""

    heading: str
    text: str


PAGE = Missing("This page does not exist", "The address may be mistyped, or old.")
PRODUCT = Missing("There is no such product", "It may not be sold any more.")


def register_products(is_for_sale: Callable[[str], bool]) -> None:
    """Have the page of a product be answered 404 where `is_for_sale(sku)` says no. It may raise a Fault."""
    _find_product[:] = [is_for_sale]


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
    return _page(request)


@only_if_on
@compressed
@conditional_page
@require_safe
def product(request: HttpRequest, sku: str) -> HttpResponse:
    """Return the page of a product; 404 where no such product is for sale, so that links to it are given up."""
    return _page(request, missing=None if _is_for_sale(sku) else PRODUCT)


def _is_for_sale(sku: str) -> bool:
    try:
        return all(is_for_sale(sku) for is_for_sale in _find_product)
    except Fault:
        # The page's script asks as well, and says what is wrong.
        return True


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer an address that nothing has (`handler404`): a browser gets the shell, which says so and leads home."""
    if not settings.STOREFRONT or not _is_visit(request):
        return problem.not_found(request, exception)
    return _page(request, missing=PAGE)


def _is_visit(request: HttpRequest) -> bool:
    """Return whether somebody looks for a page; a picture, a script or a program's call is not one."""
    accepted = request.headers.get("Accept", "*/*")
    is_page = "text/html" in accepted or accepted == "*/*"
    is_ours = not problem.speaks_problem(request) and not request.path.startswith(_NOT_OURS)
    return is_page and is_ours and request.method in ("GET", "HEAD")


def _page(request: HttpRequest, *, missing: Missing | None = None) -> HttpResponse:
    key = settings.STRIPE_PUBLISHABLE_KEY
    # With Stripe's script the bank is asked there.
    bank = "" if key else settings.STRIPE_TEST_BANK
    shown = {
        "cards": cards_are_taken(),
        "key": key,
        "bank": bank,
        "missing": missing,
        "modules": [static(name) for name in MODULES],
    }
    answer = render(request, "storefront/index.html", shown, status=404 if missing else 200)
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
