"""The provider's webhooks: 200 once the notice is durable, 400 where it is not the provider's, 5xx otherwise.

A plain Django view: the signature covers the raw body, and nothing may parse, authenticate or throttle it before.
"""

from __future__ import annotations

from http import HTTPStatus

import structlog
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from payments import services
from payments.gateways import InvalidWebhook

log = structlog.get_logger(__name__)


@csrf_exempt
@require_POST
def receive_webhook(request: HttpRequest) -> HttpResponse:
    """Keep a webhook that the provider signed. What keeps it from being stored is an error, so that it is sent again."""
    try:
        kept = services.receive_webhook(body=request.body, headers=request.headers)
    except InvalidWebhook as refusal:
        log.warning("webhook.refused", reason=refusal.detail)
        return JsonResponse(
            {
                "type": "about:blank",
                "title": refusal.title,
                "status": HTTPStatus.BAD_REQUEST,
                "detail": refusal.detail,
                "code": refusal.code,
            },
            status=HTTPStatus.BAD_REQUEST,
            content_type="application/problem+json",
        )
    return JsonResponse({"received": True, "kept": kept})
