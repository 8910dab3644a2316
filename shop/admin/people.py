"""The admin of who signs in, of what they may do, and of the kernel's own rows."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib import admin, messages
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import ManyToManyField, Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from shop.accounts.trail import log_action
from shop.accounts.trust import may_touch, permissions_of, roles_within
from shop.admin.bulk import bulk_action
from shop.admin.pages import ReadOnlyAdmin, display, pretty_json
from shop.admin.searching import BoundedPaginator
from shop.mail_address import clean_mail_address
from shop.models import Erasure, GuestTaking, IdempotencyKey, User
from shop.personal import erasure
from shop.personal.accounts import ASKED_FOR, person_of
from shop.work.background import wake

admin.site.unregister((Group, EmailAddress, Authenticator))


class _OfAnAccount(ReadOnlyAdmin):
    """What belongs to an account: shown, and deleted where the account is within reach; nothing of it is entered here."""

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Ask for the permission, and for what the owner's account holds."""
        allowed = self._has(request, "delete")
        return allowed and (obj is None or may_touch(request.user, obj.user))  # type: ignore[attr-defined]


class WithinReach:
    """Rows of people and roles: only what staff hold themselves can be changed, deleted or given (see shop.accounts.trust)."""

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Ask for the permission, and for what the account or the role holds."""
        allowed: bool = super().has_change_permission(request, obj)  # type: ignore[misc]  # a mixin of ModelAdmin
        return allowed and (obj is None or may_touch(request.user, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Ask for the permission, and for what the account or the role holds."""
        allowed: bool = super().has_delete_permission(request, obj)  # type: ignore[misc]  # a mixin of ModelAdmin
        return allowed and (obj is None or may_touch(request.user, obj))

    def formfield_for_manytomany(self, db_field: ManyToManyField[Any, Any], request: HttpRequest, **kwargs: Any) -> Any:
        """Offer, and accept, only what the member of staff holds."""
        if db_field.name in ("user_permissions", "permissions"):
            kwargs["queryset"] = permissions_of(request.user)
        elif db_field.name == "groups":
            kwargs["queryset"] = roles_within(request.user)
        return super().formfield_for_manytomany(db_field, request, **kwargs)  # type: ignore[misc]  # a mixin of ModelAdmin


class _NewUserForm(UserCreationForm):
    class Meta:
        model = User
        fields = ("email",)

    def clean_email(self) -> str:
        """Take only an address that mail reaches."""
        return clean_mail_address(self.cleaned_data["email"])


class _UserForm(UserChangeForm):
    class Meta:
        model = User
        fields = "__all__"

    def clean_email(self) -> str:
        """Take only an address that mail reaches, unless it is the one that stands there."""
        email = str(self.cleaned_data["email"])
        return clean_mail_address(email) if "email" in self.changed_data else email


@admin.register(User)
class UserAdmin(WithinReach, DjangoUserAdmin, ModelAdmin):  # type: ignore[misc, type-arg]  # unfold's own mix
    """People: the one kind of row that staff edit here."""

    form = _UserForm
    add_form = _NewUserForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("email", "guest_email", "is_staff", "is_active", "date_joined", "last_login")
    list_filter = (*DjangoUserAdmin.list_filter, ("guest_email", admin.EmptyFieldListFilter))
    search_fields = ("email",)
    search_help_text = "The beginning of an email address, or the whole address of a guest"
    ordering = ("-id",)
    paginator = BoundedPaginator
    show_full_result_count = False
    readonly_fields = ("last_login", "date_joined")
    actions = ("erase_selected",)
    fieldsets = (
        (None, {"fields": ("email", "password")}),
        ("Name", {"fields": ("first_name", "last_name")}),
        ("Permissions", {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets: Any = ((None, {"classes": ("wide",), "fields": ("email", "password1", "password2")}),)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Refuse what would make an account of a guest: nobody has proved whose mailbox it names."""
        return super().has_change_permission(request, obj) and not (isinstance(obj, User) and obj.is_guest)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """Let only superusers change who is one."""
        named = super().get_readonly_fields(request, obj)
        return named if request.user.is_superuser else (*named, "is_superuser")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: Any) -> None:
        """Save; an address that staff enter is not confirmed, and the one before it opens the account no more."""
        super().save_model(request, obj, form, change)
        if change and "email" in form.changed_data:
            EmailAddress.objects.filter(user=obj).delete()

    def has_erase_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Ask for shop.erase_person."""
        return request.user.has_perm("shop.erase_person")

    @bulk_action(
        description="Erase the person",
        consequence="Each account is closed for good, and its personal data is erased everywhere but in orders under way,"
        " whose data is erased once they have ended. This cannot be undone.",
        permissions=("erase",),
    )
    def erase_selected(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Have each selected person erased, by the sweep; only those within reach."""
        for user in queryset:
            if not may_touch(request.user, user):
                self.message_user(request, f"{user}: this account may do more than you", messages.ERROR)
                continue
            erasure.ask(person_of(user_id=user.pk), asked_by=str(request.user.pk))
            log_action(staff=request.user, obj=user, message=ASKED_FOR)
            self.message_user(request, f"{user.pk}: will be erased; Erasures shows how far it is", messages.SUCCESS)
        wake(erasure.ERASING.sweep, context="shop")

    def get_search_results(self, request: Any, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """Search along the index of addresses, which are kept in small letters."""
        term = search_term.strip().lower()
        return (queryset.filter(Q(email__startswith=term) | Q(guest_email=term)) if term else queryset), False


@admin.register(Group)
class GroupAdmin(WithinReach, DjangoGroupAdmin, ModelAdmin):  # type: ignore[misc]  # unfold's own mix
    """Roles of staff: sets of permissions."""


@admin.register(EmailAddress)
class EmailAddressAdmin(_OfAnAccount):
    """Addresses as their owners have entered and confirmed them: a password is reset by one, so staff enter none."""

    list_display = ("email", "user", "primary", "verified")
    list_filter = ("primary", "verified")
    search_fields = ("email__exact", "user__email")
    raw_id_fields = ("user",)
    ordering = ("-id",)


@admin.register(Authenticator)
class AuthenticatorAdmin(_OfAnAccount):
    """Second factors. One that its owner has lost can be deleted; its secret is shown to nobody."""

    list_display = ("user", "type", "created_at", "last_used_at")
    list_filter = ("type",)
    search_fields = ("user__email",)
    exclude = ("data",)
    ordering = ("-id",)


@admin.register(LogEntry)
class LogEntryAdmin(ReadOnlyAdmin):
    """Who did what in the admin."""

    list_display = ("action_time", "user", "content_type", "object_repr", "change_message")
    list_filter = ("content_type", "action_flag")
    search_fields = ("object_id__exact", "object_repr", "change_message")
    searches_exactly = False
    ordering = ("-id",)


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(ReadOnlyAdmin):
    """The answers that Idempotency-Keys got."""

    list_display = ("created_at", "method", "path", "response_status", "key", "user_id")
    list_filter = ("method", "response_status")
    search_fields = ("user_id__exact",)
    ordering = ("-id",)
    exclude = ("response_headers",)
    readonly_fields = ("headers_json",)

    @display(description="response headers")
    def headers_json(self, obj: IdempotencyKey) -> SafeString:
        """Show the headers that are given again with the answer."""
        return pretty_json(obj.response_headers)


@admin.register(GuestTaking)
class GuestTakingAdmin(ReadOnlyAdmin):
    """Guests whose orders an account takes along."""

    list_display = ("asked_at", "guest_id", "customer_id", "due_at", "attempts")
    search_fields = ("guest_id__exact", "customer_id__exact")
    ordering = ("-asked_at",)


@admin.register(Erasure)
class ErasureAdmin(ReadOnlyAdmin):
    """People who are to be erased, or were: who asked, and what it waits for."""

    list_display = ("asked_at", "user_id", "asked_by", "due_at", "finished_at")
    list_filter = (("finished_at", admin.EmptyFieldListFilter),)
    search_fields = ("user_id__exact",)
    ordering = ("-id",)
    exclude = ("guests", "addresses", "account_emails", "waiting_for", "sessions_read_to", "sessions_began_at")
    readonly_fields = ("waits_for",)

    @display(description="waits for")
    def waits_for(self, obj: Erasure) -> SafeString:
        """Show which orders are under way, and why they wait."""
        return pretty_json(obj.waiting_for) if obj.waiting_for else SafeString("-")
