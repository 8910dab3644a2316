"""The addresses of the storefront: those of its pages (static/storefront/main.js), all answered by the shell.

Named one by one: any other address is answered 404, with the same page saying so (views.not_found).
"""

from __future__ import annotations

from django.urls import path

from shop.storefront.views import product, shell

urlpatterns = [
    path("", shell, name="storefront"),
    path("products/<str:sku>", product),
    path("basket", shell),
    path("checkout", shell),
    path("orders", shell),
    path("orders/<uuid:order_id>", shell),
    path("find-order", shell),
    path("sign-in", shell),
    path("account", shell),
    # Mails about accounts lead to these (HEADLESS_FRONTEND_URLS).
    path("account/signup", shell),
    path("account/verify-email/<str:key>", shell),
    path("account/password/reset", shell),
    path("account/password/reset/key/<str:key>", shell),
]
