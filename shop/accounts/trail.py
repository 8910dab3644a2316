"""The trail of what staff did, in the admin or over the API: Django's own log, which the admin shows as an object's history."""

from __future__ import annotations

from typing import cast
from uuid import UUID

import structlog
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.db.models import Model

log = structlog.get_logger(__name__)


def log_action(*, staff: AbstractBaseUser | AnonymousUser, obj: Model, message: str) -> None:
    """Write down what a member of staff had done to `obj`; call it after the service succeeded."""
    staff_id = cast(UUID, staff.pk)  # whoever may act is signed in
    LogEntry.objects.log_actions(
        user_id=staff_id, queryset=[obj], action_flag=CHANGE, change_message=message, single_object=True
    )
    log.info("staff.action", model=obj._meta.label, object_id=str(obj.pk), staff_id=str(staff_id), did=message)
