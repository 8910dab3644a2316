"""Signing in to the admin: limits guessing as the API's sign-in does, and asks for a second factor where there is one."""

from __future__ import annotations

from typing import Any, cast

from allauth.account.adapter import get_adapter
from allauth.mfa.base.forms import AuthenticateForm
from allauth.mfa.utils import is_mfa_enabled
from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables
from unfold.forms import AuthenticationForm
from unfold.widgets import UnfoldAdminTextInputWidget

from shop.accounts.users import User


class StaffLoginForm(AuthenticationForm):
    """Email, password, and the code of an authenticator where the account has one."""

    code = forms.CharField(
        required=False,
        max_length=32,
        label="Code of your authenticator app",
        help_text="Only if your account has one; a recovery code does as well.",
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "one-time-code", "form": "login-form"}),
    )

    @sensitive_variables()
    def clean(self) -> dict[str, Any]:
        """Sign in by django-allauth, which counts failures per address and per account. Raises: ValidationError."""
        email, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if email and password:
            request = cast(HttpRequest, self.request)
            user = get_adapter(request).authenticate(request, email=email, password=password)
            if not isinstance(user, User):
                raise self.get_invalid_login_error()
            self.confirm_login_allowed(user)
            self._check_second_factor(user)
            self.user_cache = user
        return self.cleaned_data

    def _check_second_factor(self, user: User) -> None:
        if not is_mfa_enabled(user):
            return
        code = self.cleaned_data.get("code", "")
        if not code:
            raise ValidationError("This account needs the code that your authenticator app shows now.", "code_missing")
        second = AuthenticateForm({"code": code}, user=user)
        if not second.is_valid():
            raise ValidationError(second.errors["code"].as_data())
        second.authenticator.record_usage()


admin.site.login_form = StaffLoginForm
admin.site.login_template = "shop/login.html"
