"""`manage.py dead_letters` and `manage.py relay_outbox`, as a person at a terminal sees them."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from shop.events import inbox, relay
from shop.topology import HEARING
from tests.integration.events.bench import applied, apply, entry_of, hear, ring


def told(*arguments):
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def cracks():
    return ["a crack"]


@pytest.fixture
def letter(settings, cracks):
    """A dead letter whose handler is repaired by emptying `cracks`."""
    settings.EVENTS_MAX_ATTEMPTS = 1

    def sound(event):
        if cracks:
            raise RuntimeError("there is a crack in it")
        apply(event, "notifications.sound")

    hear(sound, name="sound")
    ring()
    relay.drain("orders")
    return entry_of("notifications.sound")


def test_relay_outbox_tells_how_many_it_published(bell_book):
    ring()
    ring()

    assert told("relay_outbox") == "2 events published\n"
    assert told("relay_outbox") == "0 events published\n"
    assert len(applied()) == 2


def test_relay_outbox_says_so_when_the_broker_is_away(wire):
    ring()
    wire.away = True

    with pytest.raises(CommandError, match="the broker is away, nothing is lost: the test pulled the plug"):
        call_command("relay_outbox")


def test_list_names_each_letter_with_its_reason(letter):
    line, total = told("dead_letters").splitlines()

    assert line.startswith(f"notifications  {letter.pk:>6}  ")
    assert "bench.rung" in line
    assert line.endswith("notifications.sound  after 1 attempts: RuntimeError: there is a crack in it")
    assert total == "1 dead letters"
    assert told("dead_letters", "list", "orders") == "0 dead letters\n"


def test_show_prints_envelope_and_traceback(letter):
    shown = told("dead_letters", "show", "notifications", str(letter.pk))

    assert '"type": "bench.rung"' in shown
    assert "Traceback (most recent call last)" in shown


def test_replay_applies_a_letter_and_says_what_became_of_it(letter, cracks):
    assert told("dead_letters", "replay", "notifications", "all") == f"notifications {letter.pk}: dead\n"

    cracks.clear()

    replayed = told("dead_letters", "replay", "notifications", str(letter.pk))
    assert replayed == f"notifications {letter.pk}: processed\n"
    assert len(applied()) == 1


def test_discard_sets_a_letter_aside(letter):
    assert told("dead_letters", "discard", "notifications", str(letter.pk)) == f"notifications {letter.pk}: discarded\n"
    assert told("dead_letters") == "0 dead letters\n"


def test_replaying_what_this_release_cannot_read_says_so():
    inbox.bury(context="notifications", subscriber="notifications.nobody", attributes={"id": "1"}, error="KeyError")

    with pytest.raises(CommandError, match="cannot"):
        call_command("dead_letters", "replay", "notifications", "all")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "notifications", "12345"), "no dead letter notifications 12345"),
        (("list", "kitchen"), f"'kitchen' hears no events; these do: {', '.join(sorted(HEARING))}"),
    ],
)
def test_mistakes_are_answered_with_what_to_do(arguments, message):
    with pytest.raises(CommandError, match=message):
        call_command("dead_letters", *arguments)
