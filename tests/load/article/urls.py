"""The article's addresses."""

from django.http import HttpResponse
from django.urls import path

from tests.load.article.views import OrdersView

urlpatterns = [
    path("ready", lambda request: HttpResponse("ready")),
    path("api/v1/orders", OrdersView.as_view()),
]
