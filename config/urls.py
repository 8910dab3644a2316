"""Every address the system answers."""

from allauth.headless.constants import Client
from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView

from shop.accounts.addresses import AddressView, ConfirmAddressView
from shop.rest.compression import compressed
from shop.rest.guests import GuestsView
from shop.rest.policies import DocsView


def nothing(request: HttpRequest) -> HttpResponse:
    """Answer 404 where a library brings an address that the shop has no use for. Raises: Http404."""
    raise Http404


urlpatterns = [
    # First what is asked for most often: each entry is compared with the address until one fits.
    path("api/v1/", include("orders.rest.urls")),
    path("", include("payments.rest.urls")),
    path("admin/", admin.site.urls),
    # Nobody has a phone number here, and allauth's views of them break on an anonymous PUT (500).
    path("_allauth/app/v1/account/phone", nothing),
    path("_allauth/app/v1/auth/phone/verify", nothing),
    path("_allauth/app/v1/auth/phone/verify/resend", nothing),
    # An account has one address, and an unconfirmed one is nobody's (shop/accounts/addresses.py).
    path("_allauth/app/v1/account/email", AddressView.as_api_view(client=Client.APP)),
    path("_allauth/app/v1/auth/email/verify", ConfirmAddressView.as_api_view(client=Client.APP)),
    path("_allauth/", include("allauth.headless.urls")),
    path("api/v1/guests", GuestsView.as_view(), name="guests"),
    path("api/v1/", include("inventory.rest.urls")),
    path("api/v1/", include("notifications.rest.urls")),
    path("api/v1/schema", compressed(SpectacularAPIView.as_view()), name="schema"),
    path("api/v1/docs", DocsView.as_view(url_name="schema"), name="docs"),
    path("", include("shop.rest.urls")),
    path("", include("shop.storefront.urls")),
]

handler400 = "shop.rest.problem.bad_request"
handler403 = "shop.rest.problem.permission_denied"
handler404 = "shop.storefront.views.not_found"
handler500 = "shop.rest.problem.server_error"
