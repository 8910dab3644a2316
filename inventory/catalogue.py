"""What is told of a product, and which values are valid: text, pictures, options, weight, when it is sold.

Pure: what is wrong is refused with the member it is in, so that a form or an import can point at it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from urllib.parse import urlsplit

from shop.cards import holds_card_number
from shop.errors import Refusal
from shop.text import NotOneLine, clean_line

MAX_NAME = 200
MAX_DESCRIPTION = 5000
MAX_CATEGORY = 80
MAX_IMAGES = 12
MAX_URL = 500
MAX_ALT = 200
MAX_OPTIONS = 5
MAX_OPTION_NAME = 40
MAX_OPTION_VALUE = 80
MAX_WEIGHT_GRAMS = 1_000_000
MAX_TAX_CLASS = 40
GROUP_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
TAX_CLASS_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,39}$"
MAX_SEARCH = 100
# Accents that stand apart from their letter once a text is decomposed.
_ACCENTS = re.compile("[\u0300-\u036f]")
_NOT_IN_URLS = re.compile(r"[\s\\\"'<>^`{|}\x00-\x20\x7f-\x9f]")


class InvalidProduct(Refusal):
    """A value of a product is not valid; `facts.field` names its member, where it is one."""

    code = "invalid_product"
    title = "The product is not valid"
    http_status = 422


@dataclass(frozen=True)
class Image:
    """A picture: where it is (http, https, or a path of this site), and what it shows, in words."""

    url: str
    alt: str


@dataclass(frozen=True)
class Details:
    """What is told of a product beside its name and price. `weight_grams` is of one unit, packed.

    It is sold from `active_from` until before `active_to`; None leaves that side open. `tax_class` and `category` are ""
    for none. Products of one `group` differ in their `options`.
    """

    description: str = ""
    images: tuple[Image, ...] = ()
    category: str = ""
    group: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    weight_grams: int = 0
    tax_class: str = ""
    active_from: datetime | None = None
    active_to: datetime | None = None


def read_images(text: str) -> tuple[Image, ...]:
    """Return pictures from text as people write it: one per line, or with | between; the URL, a space, what it shows."""
    return tuple(Image(url, alt.strip()) for url, _, alt in (entry.partition(" ") for entry in _entries(text)))


def write_images(images: Sequence[Image]) -> str:
    """Return pictures as `read_images` reads them."""
    return "\n".join(f"{image.url} {image.alt}" for image in images)


def read_options(text: str) -> dict[str, str]:
    """Return options from text as people write it: size=M, one per line, or with | between. Raises: InvalidProduct."""
    options: dict[str, str] = {}
    for entry in _entries(text):
        name, equals, value = (part.strip() for part in entry.partition("="))
        if not equals or name in options:
            raise InvalidProduct(f"{entry!r} is not an option like size=M, or names one twice", field="options")
        options[name] = value
    return options


def write_options(options: Mapping[str, str]) -> str:
    """Return options as `read_options` reads them."""
    return "\n".join(f"{name}={value}" for name, value in options.items())


def _entries(text: str) -> list[str]:
    return [entry.strip() for entry in text.replace("|", "\n").splitlines() if entry.strip()]


def words_of(text: str) -> tuple[str, ...]:
    """Return the words that are searched for: letters, digits and marks, without the accents of Latin letters.

    See Note [Words of a product] in inventory/models.py, which reads products the same way.
    """
    plain = _ACCENTS.sub("", unicodedata.normalize("NFKD", text))
    # By category, since a vowel sign of Hindi is a mark and belongs to its word.
    return tuple("".join(char if unicodedata.category(char)[0] in "LNM" else " " for char in plain).split())


def checked_details(details: Details) -> Details:
    """Return the details as they are kept. Raises: InvalidProduct(field)."""
    _check_selling_time(details.active_from, details.active_to)
    return replace(
        details,
        description=_checked_description(details.description),
        images=_checked_images(details.images),
        category=checked_line("category", details.category, most=MAX_CATEGORY, least=0),
        group=_checked_code("group", details.group, GROUP_PATTERN),
        options=_checked_options(details.options, grouped=bool(details.group)),
        weight_grams=_checked_weight(details.weight_grams),
        tax_class=_checked_code("tax_class", details.tax_class, TAX_CLASS_PATTERN),
    )


def checked_line(member: str, text: str, *, most: int, least: int = 1) -> str:
    """Return one line of text as it is kept: it goes into pages and mails. Raises: InvalidProduct(field)."""
    what = f"a {member.replace('_', ' ')}"
    try:
        cleaned = clean_line(text)
    except NotOneLine as error:
        raise InvalidProduct(f"{what} is one line of text without control characters", field=member) from error
    if not least <= len(cleaned) <= most:
        raise InvalidProduct(f"{what} has {least} to {most} characters", field=member)
    return _without_card_number(member, cleaned)


def _without_card_number(member: str, text: str) -> str:
    if holds_card_number(text):
        raise InvalidProduct(f"a {member.replace('_', ' ')} holds no card number", field=member)
    return text


def _checked_description(text: str) -> str:
    try:
        lines = [clean_line(line) for line in text.strip().replace("\t", " ").splitlines()]
    except NotOneLine as error:
        raise InvalidProduct("a description holds no control characters", field="description") from error
    cleaned = "\n".join(lines)
    if len(cleaned) > MAX_DESCRIPTION:
        raise InvalidProduct(f"a description has up to {MAX_DESCRIPTION} characters", field="description")
    return _without_card_number("description", cleaned)


def _checked_images(images: Sequence[Image]) -> tuple[Image, ...]:
    if len(images) > MAX_IMAGES:
        raise InvalidProduct(f"a product has up to {MAX_IMAGES} images", field="images")
    return tuple(Image(_checked_url(image.url), _checked_alt(image.alt)) for image in images)


def _checked_url(url: str) -> str:
    """Return the address of a picture: http or https with a host, or a path of this site.

    `//host/x` is not a path of this site: browsers read another host in it.
    """
    wrong = InvalidProduct(
        "an image is an http or https URL, or a path of this site that begins with /", field="images"
    )
    if len(url) > MAX_URL:
        raise InvalidProduct(f"the URL of an image has up to {MAX_URL} characters", field="images")
    if not url.isascii() or _NOT_IN_URLS.search(url):
        raise InvalidProduct(
            "the URL of an image holds no spaces; what is not ASCII is percent-encoded", field="images"
        )
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        raise wrong from error
    if parts.scheme in ("http", "https"):
        if not host or parts.username is not None or parts.password is not None:
            raise wrong
    elif parts.scheme or parts.netloc or not url.startswith("/") or url.startswith("//"):
        raise wrong
    return url


def _checked_alt(text: str) -> str:
    try:
        return checked_line("text of an image", text, most=MAX_ALT)
    except InvalidProduct as error:
        raise InvalidProduct(error.detail, field="images") from error


def _checked_options(options: Mapping[str, str], *, grouped: bool) -> dict[str, str]:
    if len(options) > MAX_OPTIONS:
        raise InvalidProduct(f"a product has up to {MAX_OPTIONS} options", field="options")
    if grouped and not options:
        raise InvalidProduct("a product of a group has options that tell it from the others", field="options")
    try:
        cleaned = {
            checked_line("name of an option", name, most=MAX_OPTION_NAME): checked_line(
                "value of an option", value, most=MAX_OPTION_VALUE
            )
            for name, value in options.items()
        }
    except InvalidProduct as error:
        raise InvalidProduct(error.detail, field="options") from error
    if len(cleaned) < len(options):
        raise InvalidProduct("an option is named once", field="options")
    return cleaned


def _checked_code(member: str, text: str, pattern: str) -> str:
    if text and not re.fullmatch(pattern, text):
        raise InvalidProduct(f"{text!r} is not a {member.replace('_', ' ')}: it matches {pattern}", field=member)
    return text


def _checked_weight(grams: int) -> int:
    if isinstance(grams, bool) or not isinstance(grams, int) or not 0 <= grams <= MAX_WEIGHT_GRAMS:
        raise InvalidProduct(f"a weight is a whole number of grams from 0 to {MAX_WEIGHT_GRAMS}", field="weight_grams")
    return grams


def _check_selling_time(start: datetime | None, end: datetime | None) -> None:
    for member, moment in (("active_from", start), ("active_to", end)):
        if moment is not None and moment.tzinfo is None:
            raise InvalidProduct("a moment names its time zone", field=member)
    if start is not None and end is not None and start >= end:
        raise InvalidProduct("what is sold until a moment is sold from an earlier one on", field="active_to")
