"""`manage.py publish_again`: publish facts again that a broker lost; the inboxes drop what they know."""

from __future__ import annotations

import getpass
import itertools
from argparse import ArgumentTypeError
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from shop.events import outbox, republish, unheard
from shop.events.unheard import Published, Since, Unheard
from shop.story.timeline import order_named


class Command(BaseCommand):
    """Publish facts again."""

    help = (
        "Publish again the facts that a subscriber has not heard of: of one order, one event, or published in a time."
        " Only facts that occurred within EVENTS_RETENTION_DAYS: the inboxes know no older ones."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--order", help="facts of this order, by its number or id")
        parser.add_argument("--event", type=UUID, nargs="+", help="these facts, by their event ids")
        parser.add_argument(
            "--since", type=_moment, help="facts published from this moment on, ISO 8601; UTC if it names no zone"
        )
        parser.add_argument("--until", type=_moment, help="facts published up to this moment")
        parser.add_argument(
            "--all", action="store_true", help="also facts that every subscriber has heard of, for outsiders"
        )
        parser.add_argument("--dry-run", action="store_true", help="only print what would be published")

    def handle(self, *args: Any, **options: Any) -> None:
        order_id = self._order(options["order"])
        named = {"event_ids": options["event"] or (), "since": options["since"], "until": options["until"]}
        if order_id is None and not any(named.values()):
            raise CommandError("name an order, an event, or a time: --order, --event, --since, --until")
        since = unheard.subscribed_since()
        looked_at = published = 0
        for context in outbox.publishing_contexts():
            facts = unheard.find(context, order_id=order_id, **named)
            for page in _pages(facts):
                looked_at += len(page)
                published += self._publish(
                    context, _chosen(page, since, everything=options["all"]), dry=options["dry_run"]
                )
        verb = "would be published again" if options["dry_run"] else "published again"
        self.stdout.write(f"{looked_at} facts looked at, {published} {verb}")

    def _order(self, name: str | None) -> UUID | None:
        if name is None:
            return None
        if (order_id := order_named(name)) is None:
            raise CommandError(f"nothing is known of an order {name}")
        return order_id

    def _publish(self, context: str, chosen: Sequence[Unheard], *, dry: bool) -> int:
        for each in chosen:
            about = f" of order {each.fact.order}" if each.fact.order else ""
            who = f"not heard by {', '.join(each.subscribers)}" if each.subscribers else "heard by all"
            self.stdout.write(f"{context:<14} {each.fact.type} {each.fact.event_id}{about}: {who}")
        if dry:
            return len(chosen)
        return republish.publish_again(context, [each.fact.pk for each in chosen], by=getpass.getuser())


def _chosen(facts: Sequence[Published], since: Since, *, everything: bool) -> list[Unheard]:
    found = {each.fact.pk: each for each in unheard.unheard_among(facts, since)}
    if not everything:
        return list(found.values())
    return [found.get(fact.pk, Unheard(fact, ())) for fact in facts]


def _pages(facts: Iterator[Published]) -> Iterator[list[Published]]:
    while page := list(itertools.islice(facts, unheard.PAGE)):
        yield page


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"not a moment in ISO 8601: {text}") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
