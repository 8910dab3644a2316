"""Structured logs: one fact per line, one line per request (shop.observability.lines), nothing secret or personal.

Everything goes through one chain, the libraries' own records too. LOG_FORMAT is console or json, LOG_LEVEL the level.
"""

from __future__ import annotations

import logging
import logging.config
import re
import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import structlog
from django.conf import settings
from opentelemetry import trace
from structlog.typing import EventDict, Processor, WrappedLogger

from shop.cards import SEPARATOR, holds_card_number, without_card_numbers
from shop.observability.lines import gather_fact

_SECRET_NAMES = re.compile(
    r"password|passwd|secret|authorization|cookie|api_?key|token|card_?number|cvc|cvv", re.IGNORECASE
)
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_KEYS = re.compile(
    r"\b(?:[sr]k_(?:live|test)_\w+|whsec_\w+|(?:pi|seti)_\w+_secret_\w+)|(?<=://)[^\s/:@]*:[^\s/@]*(?=@)"
    r"|(?<=[Bb]earer )[\w.~+/-]+=*"
)
_OUR_OWN = {"level", "logger", "timestamp", "trace_id", "span_id"}
# No address, key or card number is without one of these. Only a text that has one is looked at closely.
_SUSPICIOUS = re.compile(rf"@|k_(?:live|test)_|whsec_|_secret_|earer |\d(?:{SEPARATOR}?\d){{12}}")
_SHORTEST_CARD = 10**12
_MAX_DEPTH = 6


def configure(_settings: Mapping[str, Any] | None = None) -> None:
    """Set up logging as Django's settings say (LOGGING_CONFIG names this function)."""
    configure_for(log_format=settings.LOG_FORMAT, level=settings.LOG_LEVEL)


def configure_for(*, log_format: str, level: str) -> None:
    """Set up structlog and the standard library's logging, also where there are no settings (gunicorn's master)."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            gather_fact,
            *_described(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    logging.config.dictConfig(standard_config(log_format=log_format, level=level))


def standard_config(*, log_format: str, level: str) -> dict[str, Any]:
    """Return what the standard library's logging is set up with: one handler on the root, everything through it."""
    renderer: Processor = (
        structlog.processors.JSONRenderer(sort_keys=False, default=str)
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": _described(),
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    redact,
                    renderer,
                ],
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Both are said better by request_finished and request_failed.
            "django.request": {"level": "CRITICAL"},
            "django.server": {"handlers": [], "level": "WARNING", "propagate": True},
            "gunicorn.error": {"handlers": [], "level": "INFO", "propagate": True},
            "gunicorn.access": {"handlers": [], "propagate": False},
            # What a task did is told as facts; that it began and ended well, or that beat asked for it, is not.
            "celery.app.trace": {"level": "WARNING"},
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.beat": {"level": "WARNING"},
            "stripe": {"level": "WARNING"},
            "amqp": {"level": "WARNING"},
            "kombu": {"level": "WARNING"},
        },
    }


def _described() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        add_trace,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]


def add_trace(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Name the current trace and span, so that a log line leads to its trace."""
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        event["trace_id"] = trace.format_trace_id(span.trace_id)
        event["span_id"] = trace.format_span_id(span.span_id)
    return event


def redact(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Take out what no log may hold: card numbers, email addresses, keys, tokens and passwords."""
    return {name: value if name in _OUR_OWN else _cleaned(name, value, 0) for name, value in event.items()}


def _cleaned(name: str, value: Any, depth: int) -> Any:
    if _is_secret(name):
        return "[redacted]"
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, (int, float, type(None))):
        return "[card]" if _is_card_number(value) else value
    if depth < _MAX_DEPTH and isinstance(value, Mapping):
        return {str(key): _cleaned(str(key), inner, depth + 1) for key, inner in value.items()}
    if depth < _MAX_DEPTH and isinstance(value, (list, tuple, set, frozenset)):
        return [_cleaned(name, inner, depth + 1) for inner in value]
    return redact_text(str(value))


def _is_card_number(value: float | None) -> bool:
    return isinstance(value, int) and abs(value) >= _SHORTEST_CARD and holds_card_number(str(value))


@lru_cache(maxsize=1000)
def _is_secret(name: str) -> bool:
    return bool(_SECRET_NAMES.search(name))


def redact_text(text: str) -> str:
    """Return a text without card numbers, email addresses and keys."""
    if not _SUSPICIOUS.search(text):
        return text
    text = _KEYS.sub("[redacted]", text)
    text = _EMAIL.sub("[email]", text)
    return without_card_numbers(text)
