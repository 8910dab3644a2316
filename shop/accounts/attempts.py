"""When a sign-in that was refused for too many attempts may be tried again; what is counted: Note [Wrong passwords]."""

from __future__ import annotations

import math
import time

from allauth.core.internal import ratelimit
from django.core.cache import cache
from django.http import HttpRequest

APP = "allauth.account"
HERE, ANYWHERE = "login_failed", "login_failed_anywhere"
_NOTED = "sign_in_wait_seconds"


def note_wait(request: HttpRequest, *, keys: dict[str, str]) -> None:
    """Note for the answer when every limit lets an attempt through again; `keys`: by action, what its limits count by."""
    vars(request)[_NOTED] = max(_seconds_until_free(request, action, key) for action, key in keys.items())


def wait_seconds(request: HttpRequest) -> int:
    """Return after how many seconds a refused attempt may be made again, at least 1.

    Codes of a second factor are counted by allauth alone, which does not say which limit was met: for these it is the
    shortest time that wrong attempts at one account are counted over.
    """
    noted: float | None = vars(request).get(_NOTED)
    if noted is None:
        noted = min((rate.duration for rate in _rates(HERE) if rate.per == "key"), default=1)
    return max(1, math.ceil(noted))


def _rates(action: str) -> list[ratelimit.Rate]:
    found: list[ratelimit.Rate] = ratelimit.get_rates(app=APP, action=action)
    return found


def _seconds_until_free(request: HttpRequest, action: str, key: str) -> float:
    """Return when the longest of the limits that are met has room again: once its oldest attempt is too old to count."""
    wait, now = 0.0, time.time()
    for rate in _rates(action):
        counted = cache.get(ratelimit.get_cache_key(request, app=APP, action=action, rate=rate, key=key), [])
        allowed, counted = ratelimit.apply_rate(counted, now, rate, dry_run=True)
        if not allowed and counted:
            wait = max(wait, counted[-1] + rate.duration - now)
    return wait
