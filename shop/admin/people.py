"""The admin of who signs in, of what they may do, and of the kernel's own rows."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from shop.admin.pages import ReadOnlyAdmin, display, pretty_json
from shop.models import IdempotencyKey, User

admin.site.unregister(Group)


class _NewUserForm(UserCreationForm):
    class Meta:
        model = User
        fields = ("email",)


class _UserForm(UserChangeForm):
    class Meta:
        model = User
        fields = "__all__"


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[misc, type-arg]  # unfold's own mix
    """People: the one kind of row that staff edit here."""

    form = _UserForm
    add_form = _NewUserForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("email", "is_staff", "is_active", "date_joined", "last_login")
    search_fields = ("email",)
    ordering = ("-date_joined",)
    readonly_fields = ("last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("email", "password")}),
        ("Name", {"fields": ("first_name", "last_name")}),
        ("Permissions", {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets: Any = ((None, {"classes": ("wide",), "fields": ("email", "password1", "password2")}),)


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):  # type: ignore[misc]  # unfold's own mix
    """Roles of staff: sets of permissions."""


@admin.register(LogEntry)
class LogEntryAdmin(ReadOnlyAdmin):
    """Who did what in the admin."""

    list_display = ("action_time", "user", "content_type", "object_repr", "change_message")
    list_filter = ("content_type", "action_flag")
    search_fields = ("object_id__exact", "object_repr", "change_message")
    ordering = ("-action_time",)


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(ReadOnlyAdmin):
    """The answers that Idempotency-Keys got."""

    list_display = ("created_at", "method", "path", "response_status", "key", "user_id")
    list_filter = ("method", "response_status")
    search_fields = ("key__exact", "user_id__exact")
    ordering = ("-id",)
    exclude = ("response_headers",)
    readonly_fields = ("headers_json",)

    @display(description="response headers")
    def headers_json(self, obj: IdempotencyKey) -> SafeString:
        """Show the headers that are given again with the answer."""
        return pretty_json(obj.response_headers)
