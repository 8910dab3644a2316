"""One line of text as people write it anywhere: one rule for the API, the admin and the services.

# Note [One line of text]
Spaces of any kind (the full-width one of a Japanese keyboard, no-break, thin) become plain ones. Joiners are kept: Persian,
Hindi and many emoji are misspelled without them. What only hints where a line may break is left out. Refused is what breaks
a line, controls a device, turns the direction of what follows, or is no character: texts stand on labels and in mails.
What Unicode has not named yet is taken: it is a later release's letter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

_SPACES = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
# Soft hyphen, zero-width space, byte order mark.
_HINTS = re.compile("[\u00ad\u200b\ufeff]")
_REFUSED = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029"  # controls and line separators
    "\u202a-\u202e\u2066-\u206f\ufff9-\ufffb"  # embeddings, overrides and isolates of direction; annotations
    "\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"  # halves of pairs, and what never is a character
    + "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0x10000, 0x110000, 0x10000))
    + "]"
)
# Joiners, marks of direction, variation selectors, fillers: a text of nothing else is blank.
_UNSEEN = re.compile(
    "[ \u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200c-\u200f\u2060-\u2064\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0000-\U000e0fff]*"
)

_LINE_BREAK = re.compile("\r\n|\r|\n")


class NotOneLine(ValueError):
    """The text holds a line break, a control character or a change of direction."""


def clean_line(text: str) -> str:
    """Return a line of text as it is kept, "" where nothing of it can be seen. Raises: NotOneLine.

    See Note [One line of text].
    """
    text = text.strip()
    if not text.isprintable():
        if _REFUSED.search(text):
            raise NotOneLine("one line of text without control characters is expected")
        text = _HINTS.sub("", _SPACES.sub(" ", text)).strip()
    return text if text.isascii() or not _UNSEEN.fullmatch(text) else ""


def clean_lines(text: str) -> str:
    """Return a text of several lines as it is kept, each by the rule for one; lines that are blank stay, but at its ends.

    Raises: NotOneLine.
    """
    return "\n".join(map(clean_line, _LINE_BREAK.split(text.strip()))).strip("\n")


def is_clean(text: str) -> bool:
    """Return whether a line of text is kept as it is; a quick look, which may say no to one that is."""
    return text.isprintable() and text == text.strip() and (text.isascii() or clean_line(text) == text)


def words(code: str) -> str:
    """Return a status or a code as people read it: "awaiting payment" for AWAITING_PAYMENT."""
    return code.replace("_", " ").lower()


def alike(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return up to three of the known names that somebody may have meant who wrote this one, the likeliest first."""
    spellings = {each.casefold(): each for each in known}
    return tuple(spellings[found] for found in get_close_matches(name.casefold(), spellings, n=3, cutoff=0.7))


def did_you_mean(names: Iterable[str]) -> str:
    """Return the question whether one of these was meant, to put behind a sentence; "" for no name."""
    listed = " or ".join(names)
    return f" Did you mean {listed}?" if listed else ""
