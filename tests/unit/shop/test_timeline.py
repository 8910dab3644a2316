"""How a story reads to a human."""

from __future__ import annotations

from datetime import timedelta

from shop.clock import now
from shop.story.timeline import Happening, Story, Upcoming, lines_of, marked


def test_what_is_true_of_a_fact_is_named_and_what_is_not_is_denied():
    story = Story((Happening(now(), "orders", "confirmed", {"answered": True, "gift": False, "total": "12.50 EUR"}),))

    assert lines_of(story)[1].endswith("confirmed  (answered, not gift, total 12.50 EUR)")


def test_what_should_have_happened_by_now_is_due_and_what_comes_later_has_its_time():
    present = now()
    later = present + timedelta(hours=1)
    story = Story(
        (Happening(present, "orders", "placed"),),
        (
            Upcoming("orders", "will be resumed", present - timedelta(seconds=1)),
            Upcoming("payments", "will be asked", later),
        ),
    )

    told = lines_of(story)

    assert told[2:] == [
        "next, automatically:",
        "  due now        orders         will be resumed",
        f"  {later:%H:%M:%S} UTC   payments       will be asked",
    ]


def test_what_happened_is_told_also_where_its_fact_is_not_kept_any_more():
    happening = Happening(now(), "notifications", "was queued")

    assert marked(happening, None) == happening
