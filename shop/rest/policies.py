"""What a browser may load and run on each of our pages (Content Security Policy, level 3).

No page runs a script that stands in it, and none may be shown in a frame. The admin's library (Alpine) evaluates the
expressions in its own templates, hence 'unsafe-eval' there and nowhere else; styles that stand in a page are allowed, since
the libraries of the admin and of the API's page write them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.request import Request
from rest_framework.response import Response

HEADER = "Content-Security-Policy"
_ALWAYS = "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
_STYLES = "style-src 'self' 'unsafe-inline'; img-src 'self' data:"
PAGE = f"default-src 'none'; {_STYLES}; {_ALWAYS}"
DOCS = f"default-src 'none'; script-src 'self'; connect-src 'self'; font-src 'self' data:; {_STYLES}; {_ALWAYS}"
ADMIN = f"default-src 'self'; script-src 'self' 'unsafe-eval'; {_STYLES}; {_ALWAYS}"


def storefront(*, stripe: bool, test_bank: str) -> str:
    """Return the policy of the storefront's page: scripts and styles are files of ours, product pictures come from anywhere.

    `stripe`: the page loads Stripe's script, which opens frames of its own (docs.stripe.com/security/guide). `test_bank`:
    the address of the sandbox that stands in for a customer's bank, or nothing.
    """
    scripts, calls, frames = ["'self'"], ["'self'"], ["'none'"]
    if stripe:
        scripts += ["https://js.stripe.com", "https://*.js.stripe.com"]
        calls += ["https://api.stripe.com"]
        frames = ["https://js.stripe.com", "https://*.js.stripe.com", "https://hooks.stripe.com"]
    if test_bank:
        calls.append(test_bank)
    return (
        f"default-src 'none'; script-src {' '.join(scripts)}; style-src 'self'; img-src 'self' https:; "
        f"connect-src {' '.join(calls)}; frame-src {' '.join(frames)}; {_ALWAYS}"
    )


class PoliciesMiddleware:
    """Puts the policy on every page that does not bring one of its own; an empty answer is not a page."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer, with the policy."""
        response = self._get_response(request)
        is_page = response.streaming or response.content != b""
        if is_page and response.get("Content-Type", "").startswith("text/html"):
            response.setdefault(HEADER, ADMIN if request.path.startswith(reverse("admin:index")) else PAGE)
        return response


class DocsView(SpectacularSwaggerSplitView):
    """The page of the API's description, its script apart from it."""

    template_name = "shop/api_page.html"

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """Put the policy on the page. The chain of programs, which it is answered through, has none."""
        response[HEADER] = DOCS
        found: Response = super().finalize_response(request, response, *args, **kwargs)
        return found
