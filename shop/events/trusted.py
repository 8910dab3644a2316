"""What a worker lets Celery believe of a message: the headers and options that the shop itself writes, and no others.

Celery acts on much of a message before anything of ours runs: time limits that end processes, moments to wait for, tasks
to call afterwards. Whoever may publish could stop every worker with one message.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from amqp import serialization
from amqp.spec import Basic

from shop.events.messages import DELIVER_BATCH_TASK, DELIVER_TASK

LONGEST_NAME = 255
# These continue a trace and the log lines of whoever sent the message; their readers take anything.
CONTINUED = ("traceparent", "tracestate", "baggage", "__django_structlog__")
OPTIONS = {"callbacks", "errbacks", "chain", "chord"}

Fits = Callable[[Any], bool]


class NotOfTheShop(ValueError):
    """No process of the shop writes such a message."""


def distrust(message: Any) -> None:
    """Check a message that Celery is to make a task of, and take off every header that the shop does not write.

    Raises: NotOfTheShop; what decoding the body raises.
    """
    headers: Mapping[str, Any] = message.headers or {}
    wrong = [name for name, fits in HEADERS.items() if not fits(headers.get(name))]
    if headers.get("task") in (DELIVER_TASK, DELIVER_BATCH_TASK) and headers.get("expires") is not None:
        wrong.append("expires")  # Celery drops what has expired, and a delivery must not vanish
    if wrong:
        raise NotOfTheShop(f"headers that the shop does not write: {', '.join(wrong)}")
    _check_body(message.payload)
    message.headers = {name: headers[name] for name in (*HEADERS, *CONTINUED) if name in headers}


def _check_body(body: Any) -> None:
    if not isinstance(body, list) or list(map(type, body)) != [list, dict, dict]:
        raise NotOfTheShop("the body is not arguments, keywords and options")
    options = body[2]
    if not options.keys() <= OPTIONS or any(value is not None for value in options.values()):
        raise NotOfTheShop("the body asks for tasks to be called afterwards")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_NAME


def _is_text_or_unset(value: Any) -> bool:
    return value is None or _is_text(value)


def _is_picture(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _is_moment_or_unset(value: Any) -> bool:
    if value is None:
        return True
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False


def _is_switch(value: Any) -> bool:
    return value is None or isinstance(value, bool)


def _is_nothing(value: Any) -> bool:
    return not value and isinstance(value, int | list | dict | None)


# Not "timelimit", which Celery writes of the tasks it knows: it is taken off, and the task's own limits hold.
HEADERS: dict[str, Fits] = {
    "id": _is_text,
    "task": _is_text,
    "root_id": _is_text_or_unset,
    "parent_id": _is_text_or_unset,
    "origin": _is_text_or_unset,
    "lang": _is_text_or_unset,
    "argsrepr": _is_picture,
    "kwargsrepr": _is_picture,
    "ignore_result": _is_switch,
    "expires": _is_moment_or_unset,
    **dict.fromkeys(
        ("eta", "retries", "shadow", "group", "group_index", "replaced_task_nesting", "stamps", "stamped_headers"),
        _is_nothing,
    ),
}


def accept_any_properties() -> None:
    """Have py-amqp give a message without properties where it cannot decode them; else each such message ends a connection."""
    decode = serialization.decode_properties_basic

    def decode_or_drop(buffer: Any, offset: int) -> tuple[dict[str, Any], int]:
        try:
            properties, end = decode(buffer, offset)
        except Exception:  # noqa: BLE001  such as nested too deeply, not UTF-8, a moment in the year 40,000
            return {"application_headers": {}}, len(buffer)
        return properties, end

    by_class: Any = serialization.PROPERTY_CLASSES
    by_class[Basic.CLASS_ID] = decode_or_drop
