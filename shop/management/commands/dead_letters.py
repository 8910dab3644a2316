"""`manage.py dead_letters`: list what needs a human, show one whole, replay it, or discard it."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from shop.errors import Refusal
from shop.events import dead_letters, inbox
from shop.events.inbox import InboxEntry


class Command(BaseCommand):
    """Work on the dead letters."""

    help = "List dead letters; `show`, `replay` or `discard` one by CONTEXT ID, or replay all of a context."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", metavar="VERB")
        verbs.add_parser("list", help="one line each (the default)").add_argument("context", nargs="?")
        for verb, meaning in (
            ("show", "the whole letter: envelope, exception, attempts"),
            ("replay", "give it to its one subscriber again"),
            ("discard", "set it aside for good; it stays on record"),
        ):
            each = verbs.add_parser(verb, help=meaning)
            each.add_argument("context")
            each.add_argument("id", help="the letter's number, or `all`")

    def handle(self, *args: Any, **options: Any) -> None:
        context = options.get("context")
        if context and context not in inbox.hearing_contexts():
            raise CommandError(f"{context!r} hears no events; these do: {', '.join(inbox.hearing_contexts())}")
        verb = options["verb"] or "list"
        letters = list(dead_letters.dead_letters(context))
        if verb == "list":
            self._list(letters)
            return
        chosen = [letter for letter in letters if options["id"] in ("all", str(letter.pk))]
        if not chosen:
            raise CommandError(f"no dead letter {context} {options['id']}; `manage.py dead_letters` lists them")
        act: dict[str, Callable[[InboxEntry], None]] = {
            "show": self._show,
            "replay": self._replay,
            "discard": self._discard,
        }
        for letter in chosen:
            try:
                act[verb](letter)
            except Refusal as refusal:
                raise CommandError(f"{letter.pk}: {refusal.detail}") from refusal

    def _list(self, letters: list[InboxEntry]) -> None:
        for letter in letters:
            self.stdout.write(
                f"{letter._meta.app_label:<14} {letter.pk:>6}  {letter.received_at:%F %T}  {letter.event_type:<22} "
                f"{letter.subscriber}  after {letter.attempts} attempts: {letter.reason[:160]}"
            )
        self.stdout.write(f"{len(letters)} dead letters")

    def _show(self, letter: InboxEntry) -> None:
        self.stdout.write(f"{letter._meta.app_label} {letter.pk}: {letter} (received {letter.received_at:%F %T} UTC)")
        self.stdout.write(json.dumps(letter.envelope, indent=2))
        self.stdout.write(letter.error)

    def _replay(self, letter: InboxEntry) -> None:
        context = letter._meta.app_label
        dead_letters.replay(context=context, entry_id=letter.pk, staff=getpass.getuser())
        inbox.retry_due(context)
        letter.refresh_from_db()
        self.stdout.write(f"{context} {letter.pk}: {letter.status.lower()}")

    def _discard(self, letter: InboxEntry) -> None:
        dead_letters.discard(context=letter._meta.app_label, entry_id=letter.pk, staff=getpass.getuser())
        self.stdout.write(f"{letter._meta.app_label} {letter.pk}: discarded")
