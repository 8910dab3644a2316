"""Who among staff may touch whom: nobody gives what they do not have, and only a superuser touches a superuser.

To set somebody's password or email address is to have what they may do. So an account, and a role, is out of reach for
whoever lacks one of its permissions. Permissions of an account that is not active count: it can be made active again.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser, Group, Permission
from django.db.models import Q, QuerySet

from shop.accounts.users import User

Staff = AbstractBaseUser | AnonymousUser


def permissions_of(user: Staff) -> QuerySet[Permission]:
    """Return the permissions of an account, its own and those of its roles; all of them for a superuser."""
    if getattr(user, "is_superuser", False):
        return Permission.objects.all()
    held = Q(pk__in=Permission.objects.filter(user=user.pk)) | Q(pk__in=Permission.objects.filter(group__user=user.pk))
    return Permission.objects.filter(held)


def roles_within(user: Staff) -> QuerySet[Group]:
    """Return the roles that hold nothing which the account does not hold."""
    if getattr(user, "is_superuser", False):
        return Group.objects.all()
    beyond = Permission.objects.exclude(pk__in=permissions_of(user))
    return Group.objects.exclude(pk__in=Group.objects.filter(permissions__in=beyond))


def may_touch(staff: Staff, subject: Any) -> bool:
    """Return whether an account may change, delete or sign out another account, or a role."""
    if getattr(staff, "is_superuser", False):
        return True
    if isinstance(subject, Group):
        return roles_within(staff).filter(pk=subject.pk).exists()
    user: User = subject
    if user.is_superuser:
        return False
    return not permissions_of(user).exclude(pk__in=permissions_of(staff)).exists()
