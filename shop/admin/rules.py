"""Pages of rules that staff enter themselves: forms with Django's own permissions, and a log of what was changed to what.

A rule has no status and no process; whoever it concerned keeps what they were told.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from unfold.admin import ModelAdmin, TabularInline
from unfold.widgets import UnfoldAdminTextInputWidget, UnfoldBooleanWidget

from shop.admin.fields import LineField, major_units, money_of
from shop.admin.searching import BoundedPaginator
from shop.countries import COUNTRIES
from shop.errors import Fault, Refusal
from shop.money import Money, is_currency
from shop.text import did_you_mean


class CodesField(LineField):
    """A list of names in one line, separated by commas; kept in their order, each once."""

    widget = UnfoldAdminTextInputWidget

    def prepare_value(self, value: Any) -> Any:
        """Show a list as one line."""
        return ", ".join(value) if isinstance(value, (list, tuple)) else value

    def clean(self, value: Any) -> list[str]:
        """Read a list. Raises: ValidationError."""
        names = (name.strip() for name in super().clean(value).split(","))
        return list(dict.fromkeys(name for name in names if name))

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compare what is meant, not how it is written."""
        try:
            return list(initial or ()) != self.clean(data)
        except ValidationError:
            return True


class CountriesField(CodesField):
    """A list of countries, by their codes in any spelling."""

    def clean(self, value: Any) -> list[str]:
        """Read a list of countries. Raises: ValidationError."""
        codes = list(dict.fromkeys(code.upper() for code in super().clean(value)))
        if unknown := [code for code in codes if code not in COUNTRIES]:
            raise ValidationError(f"These are not ISO 3166 codes: {', '.join(unknown)}.", code="country")
        return codes


class CountryField(LineField):
    """A country by its code, in any spelling."""

    widget = UnfoldAdminTextInputWidget

    def clean(self, value: Any) -> str:
        """Read a country. Raises: ValidationError."""
        code = str(super().clean(value)).upper()
        if code and code not in COUNTRIES:
            raise ValidationError(f"{code} is not an ISO 3166 code.", code="country")
        return code


class CurrencyField(LineField):
    """A currency by its code, in any spelling."""

    widget = UnfoldAdminTextInputWidget

    def clean(self, value: Any) -> str:
        """Read a currency. Raises: ValidationError."""
        code = str(super().clean(value)).upper()
        if code and not is_currency(code):
            raise ValidationError(f"{code} is not an ISO 4217 code.", code="currency")
        return code


@dataclass(frozen=True)
class Naming:
    """Names that a field takes and another context has: `told` is what is said of one that is unknown, as {name}.

    `find_unknown` returns the unknown ones, each with names that look like it. Raises: a Fault. `only_warns`: an `AheadForm`
    takes an unknown one all the same.
    """

    find_unknown: Callable[[Collection[str]], Mapping[str, Sequence[str]]]
    told: str
    only_warns: bool = False


class RuleForm(forms.ModelForm):  # type: ignore[type-arg]
    """A rule as staff enter it. `amounts`: field -> column of an amount, which is entered in major units of `currency`.

    `names`: field -> whose names it takes. An unknown one is told in `warnings`, and a form of `AheadForm` refuses it.
    What the database refuses is said beside the form; a field without a help text of its own has that of its column.
    """

    amounts: ClassVar[Mapping[str, str]] = {}
    names: ClassVar[Mapping[str, Naming]] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.warnings: list[str] = []
        columns = {column.name: column for column in self._meta.model._meta.concrete_fields}
        for name, field in self.fields.items():
            field.help_text = field.help_text or str(getattr(columns.get(name), "help_text", ""))
        currency = getattr(self.instance, "currency", "")
        for name, column in self.amounts.items():
            minor = getattr(self.instance, column)
            if minor is not None and currency:
                self.initial.setdefault(name, major_units(Money(minor, currency)))

    def clean(self) -> dict[str, Any]:
        """Read the amounts in the rule's currency. Raises: ValidationError."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        currency = cleaned.get("currency", "")
        problems = {}
        for name, column in self.amounts.items():
            amount: Decimal | None = cleaned.get(name)
            setattr(self.instance, column, None)
            if amount is None or (not currency and "currency" in self.errors):
                continue
            if not currency:
                problems["currency"] = "An amount needs a currency."
                continue
            try:
                money = money_of(amount, currency)
                self.check_amount(name, money)
            except ValidationError as refusal:
                problems[name] = str(refusal.message)
            except Refusal as refusal:
                problems[name] = f"{refusal.detail[:1].upper()}{refusal.detail[1:]}."
            else:
                setattr(self.instance, column, money.minor)
        if problems:
            raise ValidationError(problems)
        self._look_up(cleaned)
        return cleaned

    def check_amount(self, name: str, amount: Money) -> None:
        """Judge the amount of this field; a form whose amounts are paid asks the card provider. Raises: a Refusal."""

    def _look_up(self, cleaned: Mapping[str, Any]) -> None:
        """Look for the names that nothing has. Raises: ValidationError."""
        for field, naming in self.names.items():
            if not (given := _listed(cleaned.get(field))):
                continue
            try:
                unknown = naming.find_unknown(given)
            except Fault as fault:
                raise ValidationError({field: f"This cannot be checked now: {fault.title}."}) from fault
            for name, others in unknown.items():
                told = naming.told.format(name=name) + did_you_mean(others)
                if naming.only_warns or self._takes_unknown(field, name):
                    self.warnings.append(told)
                else:
                    self.add_error(field, f'{told} If its product is still to come, tick "Products follow".')

    def _takes_unknown(self, field: str, name: str) -> bool:
        return True

    def _get_validation_exclusions(self) -> set[str]:
        """Judge every column by the table's constraints, also those that no field shows as they are."""
        return set() if not self.errors else super()._get_validation_exclusions()  # type: ignore[misc]


class AheadForm(RuleForm):
    """A rule whose unknown names are refused, unless staff say that what has them follows."""

    ahead = forms.BooleanField(
        required=False,
        label="Products follow",
        widget=UnfoldBooleanWidget,
        help_text="Tick to save names that no product has yet. Otherwise they are refused as mistyped.",
    )

    def _takes_unknown(self, field: str, name: str) -> bool:
        """Refuse a name that is new here; one that was saved before is told again."""
        return bool(self.cleaned_data.get("ahead")) or name in _listed(self.initial.get(field))


def _listed(value: Any) -> list[str]:
    return list(value) if isinstance(value, (list, tuple)) else [value] if value else []


def repeat_warnings(request: HttpRequest, form: Any) -> None:
    """Show above the next page what a form that was saved warns of (`warnings`), each once."""
    for warning in dict.fromkeys(form.warnings):
        messages.warning(request, warning)


def told(form: forms.BaseForm) -> str:
    """Return for the log what a form changed, and to what."""
    changes = [
        (name, _shown(form.get_initial_for_field(form.fields[name], name)), _shown(form.cleaned_data.get(name)))
        for name in form.changed_data
    ]
    # "de" for DE is entered otherwise, and means the same.
    return ", ".join(f"{name}: {before} to {after}" for name, before, after in changes if before != after)


def _shown(value: Any) -> str:
    return "nothing" if value in (None, "", []) else str(value)


class RuleAdmin(ModelAdmin):
    """A page of rules. `counters`: columns that others write meanwhile, which saving a form never touches."""

    list_per_page = 50
    paginator = BoundedPaginator
    show_full_result_count = False
    view_on_site = False
    counters: Sequence[str] = ()

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """Show the counters, and take none."""
        return (*super().get_readonly_fields(request, obj), *self.counters)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: Any) -> None:
        """Save what the form is about, and repeat what it warns of."""
        repeat_warnings(request, form)
        if not change:
            obj.save(force_insert=True)
            return
        columns = [column.name for column in obj._meta.concrete_fields if not column.primary_key]
        obj.save(update_fields=[name for name in columns if name not in self.counters])

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: Any) -> None:
        """Save the rows of an inline, and repeat what their forms warn of."""
        for each in formset.forms:
            if each.has_changed():
                repeat_warnings(request, each)
        super().save_formset(request, form, formset, change)

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:
        """Return for the log what was changed, and to what."""
        lines = [told(form)]
        for formset in formsets or ():
            lines += [f"added {row}: {told(formset.forms[_index(formset, row)])}" for row in formset.new_objects]
            lines += [
                f"changed {row}: {told(formset.forms[_index(formset, row)])}" for row, _names in formset.changed_objects
            ]
            lines += [f"deleted {row}" for row in formset.deleted_objects]
        return "; ".join(line for line in lines if line) or "nothing changed"

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, *args: Any, **kwargs: Any) -> Any:
        """Show or save; say where the database refused what was right as the form was read."""
        try:
            return super().changeform_view(request, object_id, *args, **kwargs)
        except IntegrityError:
            return self._refused(request)

    def _refused(self, request: HttpRequest) -> HttpResponse:
        self.message_user(
            request, "It changed while you were editing it, and your change does not fit any more.", messages.ERROR
        )
        return HttpResponseRedirect(request.get_full_path())


class RuleInline(TabularInline):
    """Rules that belong to the rule of a page."""

    extra = 0
    show_change_link = False


def _index(formset: Any, row: Model) -> int:
    return next(index for index, form in enumerate(formset.forms) if form.instance is row or form.instance.pk == row.pk)
