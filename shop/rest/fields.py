"""Building blocks of serializers: what is unknown is refused, and money is minor units with a currency."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from django.core.exceptions import ValidationError as InvalidText
from rest_framework import serializers

from shop.locales import find_locale
from shop.mail_address import clean_mail_address
from shop.money import Money, is_currency
from shop.phones import NotAPhoneNumber, clean_phone_number
from shop.rest.problem import money_json
from shop.text import NotOneLine, clean_line, clean_lines
from shop.vat_numbers import NotAVatNumber, clean_vat_number

MAX_MINOR = 10**12
# Members that one answer names as unknown: a stranger's body of thousands must not make an answer of megabytes.
MOST_NAMED = 20


class StrictSerializer(serializers.Serializer[Any]):
    """A serializer that refuses fields it does not know, so that a misspelled or forbidden one is never ignored."""

    default_error_messages = {"unknown": "This field is not known here."}

    @classmethod
    def read(cls, body: Any) -> dict[str, Any]:
        """Return the members of a body as they are used. Raises: ValidationError, which names what is wrong."""
        serializer = cls(data=body)
        serializer.is_valid(raise_exception=True)
        validated: dict[str, Any] = serializer.validated_data
        return validated

    def to_internal_value(self, data: Any) -> Any:
        """Validate the known fields, and name the others."""
        unknown = sorted(set(map(str, data)) - set(self.fields)) if isinstance(data, Mapping) else []
        problems: dict[str, Any] = {name: [self.error_messages["unknown"]] for name in unknown[:MOST_NAMED]}
        try:
            value = super().to_internal_value(data)
        except serializers.ValidationError as error:
            if not isinstance(error.detail, dict):
                raise
            problems |= error.detail
        if problems:
            raise serializers.ValidationError(problems)
        return value


class OneOfField(serializers.ChoiceField):
    """One of a few texts; the refusal of any other names them."""

    default_error_messages = {"invalid_choice": "Send one of: {choices_in_words}."}

    def fail(self, key: str, **kwargs: Any) -> NoReturn:
        """Refuse it, and name the choices. Raises: ValidationError."""
        super().fail(key, choices_in_words=", ".join(str(choice) for choice in self.choices), **kwargs)


class BoundedListField(serializers.ListField):
    """A list that is counted before its elements are read: one that is too long costs nothing, and no element is named."""

    def to_internal_value(self, data: Any) -> list[Any]:
        """Validate each element of a list that is not too long."""
        if isinstance(data, list) and self.max_length is not None and len(data) > self.max_length:
            self.fail("max_length", max_length=self.max_length)
        elements: list[Any] = super().to_internal_value(data)
        return elements


class TextField(serializers.CharField):
    """One line of text, kept as `shop.text` says: what is printed on a label or put into a mail."""

    default_error_messages = {"control": "This must be one line of text without control characters."}

    def to_internal_value(self, data: Any) -> str:
        """Read a line of text."""
        if not isinstance(data, str):
            self.fail("invalid")
        try:
            text = self.clean(data)
        except NotOneLine:
            self.fail("control")
        if not text and not self.allow_blank:
            self.fail("blank")
        return text

    def clean(self, text: str) -> str:
        """Return the text as it is kept. Raises: NotOneLine."""
        return clean_line(text)


class LinesField(TextField):
    """A text of several lines, each as `shop.text` says."""

    default_error_messages = {"control": "This must be text without control characters; line breaks are fine."}

    def clean(self, text: str) -> str:
        """Return the text as it is kept. Raises: NotOneLine."""
        return clean_lines(text)


class VatNumberField(TextField):
    """A VAT number, kept in capitals without separators; "" is none."""

    default_error_messages = {
        "prefix": "A VAT number begins with the letters of its country, such as DE123456789 or ATU12345678.",
        "format": "This is not the format of a VAT number of {prefix}.",
    }

    def to_internal_value(self, data: Any) -> str:
        """Read a VAT number."""
        text = super().to_internal_value(data)
        try:
            return clean_vat_number(text) if text else ""
        except NotAVatNumber as error:
            self.fail("format" if error.prefix else "prefix", prefix=error.prefix)


class PhoneField(TextField):
    """A telephone number, kept as its digits; "" is none."""

    default_error_messages = {"phone": "This is not a telephone number. Write it like +351 21 123 4567."}

    def to_internal_value(self, data: Any) -> str:
        """Read a telephone number."""
        text = super().to_internal_value(data)
        try:
            return clean_phone_number(text) if text else ""
        except NotAPhoneNumber:
            self.fail("phone")


class LocaleField(TextField):
    """A BCP 47 tag that the shop knows; "" is none."""

    default_error_messages = {"locale": "This is not a locale that the shop knows. Write it like de-DE."}

    def to_internal_value(self, data: Any) -> str:
        """Read a tag."""
        text = super().to_internal_value(data)
        found = find_locale(text) if text else ""
        if found is None:
            self.fail("locale")
        return found


class MailAddressField(serializers.EmailField):
    """An email address that mail can be sent to."""

    def to_internal_value(self, data: Any) -> str:
        """Read an email address."""
        if not isinstance(data, str):
            self.fail("invalid")
        try:
            return clean_mail_address(data)
        except InvalidText:
            self.fail("invalid")


class MoneyField(serializers.Field[Money, Any, dict[str, Any], Any]):
    """`{"amount_minor": 2450, "currency": "EUR", "exponent": 2, "formatted": "24.50"}`; read from the first two."""

    default_error_messages = {
        "shape": 'Money looks like {{"amount_minor": 2450, "currency": "EUR"}}.',
        "amount": "amount_minor is a whole number of minor units, from 0 to one million million.",
        "currency": "currency is an ISO 4217 code in capitals.",
        "exponent": "exponent does not match the currency in ISO 4217.",
    }

    def to_representation(self, value: Money) -> dict[str, Any]:
        """Write an amount."""
        return money_json(value)

    def to_internal_value(self, data: Any) -> Money:
        """Read an amount. `formatted` may come back as it was sent, and is ignored."""
        if not isinstance(data, Mapping) or not {"amount_minor", "currency"} <= set(data) <= {
            "amount_minor",
            "currency",
            "exponent",
            "formatted",
        }:
            self.fail("shape")
        amount, currency = data["amount_minor"], data["currency"]
        if isinstance(amount, bool) or not isinstance(amount, int) or not 0 <= amount <= MAX_MINOR:
            self.fail("amount")
        if not isinstance(currency, str) or not is_currency(currency):
            self.fail("currency")
        money = Money(amount, currency)
        if data.get("exponent", money.decimals) != money.decimals:
            self.fail("exponent")
        return money
