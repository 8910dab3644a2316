"""Two chains of middleware: a short one for what programs call, the long one for pages.

`settings.API_PATHS` choose, before anything else happens: an address belongs to one chain, whatever is sent to it.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.handlers.base import BaseHandler
from django.core.handlers.exception import convert_exception_to_response
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.module_loading import import_string
from opentelemetry import context as otel_context

from shop import request_ids
from shop.observability import tracing


class ApiChain(BaseHandler):
    """Answers through settings.API_MIDDLEWARE, outermost first."""

    def load_middleware(self, is_async: bool = False) -> None:
        """Build the chain as Django builds that of settings.MIDDLEWARE, with the hooks that ours use."""
        self._view_middleware: list[Any] = []
        self._template_response_middleware: list[Any] = []
        self._exception_middleware: list[Any] = []
        handler: Any = convert_exception_to_response(self._get_response)  # type: ignore[attr-defined]  # Django's own name
        for path in reversed(settings.API_MIDDLEWARE):
            middleware = import_string(path)(handler)
            if hasattr(middleware, "process_view") or hasattr(middleware, "process_template_response"):
                raise TypeError(f"{path} has a hook that {__name__} does not call")
            if hasattr(middleware, "process_exception"):
                self._exception_middleware.append(middleware.process_exception)
            handler = convert_exception_to_response(middleware)
        self._middleware_chain = handler


class TwoChains(BaseHandler):
    """A handler of Django's whose requests go through one of the two chains."""

    _api: ApiChain

    def load_middleware(self, is_async: bool = False) -> None:
        """Build both."""
        self._api = ApiChain()
        self._api.load_middleware()
        super().load_middleware(is_async)

    def get_response(self, request: HttpRequest) -> HttpResponseBase:
        """Answer through the chain of the request's address, in a trace, whether or not spans are recorded."""
        named = request_ids.begin(request)
        carried = None
        if not tracing.is_on() and not tracing.current_trace_id():
            carried = request_ids.carry(tracing.span_of_caller(request.META))
        try:
            if request.path_info.startswith(settings.API_PATHS):
                return _without_body(request, self._api.get_response(request))
            return _without_body(request, super().get_response(request))
        finally:
            if carried is not None:
                otel_context.detach(carried)
            request_ids.end(named)


def _without_body(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Leave the body of an answer to HEAD away, and its length in the headers; the server warns of one that it drops."""
    if request.method == "HEAD" and isinstance(response, HttpResponse):
        response.content = b""
    return response


class Handler(TwoChains, WSGIHandler):
    """The WSGI application of the shop."""
