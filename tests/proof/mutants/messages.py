"""Mutants of what guards the bus against messages that an outsider made, and against those that a broker lost."""

from __future__ import annotations

from tests.proof.mutants.mutant import Mutant

UNHEARD = "shop/events/unheard.py"
REPUBLISH = "shop/events/republish.py"
HOSTILE = "tests/process/test_hostile_messages.py"
LOST = "tests/integration/events/test_unheard.py"

MUTANTS = (
    Mutant(
        removes="the burial of a message that cannot be decoded for a reason of its own",
        promise="I8",
        file="shop/events/dead_letters.py",
        old="    except Exception as error:  # noqa: BLE001  a message can be wrong",
        new="    except ValueError as error:  # noqa: BLE001  a message can be wrong",
        killers=(
            f"{HOSTILE}::test_whatever_is_in_a_dead_queue_leaves_it_and_what_is_behind_it_is_applied[lists 20,000 deep]",
        ),
        needs_broker=True,
    ),
    Mutant(
        removes="the check of what Celery believes of a message",
        promise="I8",
        file="shop/events/worker.py",
        old="                distrust(message)\n",
        new="",
        killers=(f"{HOSTILE}::test_worker_bears_what_celery_would_believe_of_a_nudge",),
        needs_broker=True,
    ),
    Mutant(
        removes="the look back where the last look lies in the future",
        promise="I8",
        file=REPUBLISH,
        old="        if look is not None and look.published_at <= now():\n",
        new="        if look is not None:\n",
        killers=(f"{LOST}::test_a_look_that_was_noted_in_the_future_hides_nothing",),
    ),
    Mutant(
        removes="the audit of facts that nobody heard",
        promise="I8",
        file="shop/audit/unheard.py",
        old="                yield _violation(still)\n",
        new="                yield from ()\n",
        killers=(f"{LOST}::test_audit_names_a_fact_that_was_published_and_never_heard",),
    ),
    Mutant(
        removes="the pages of facts after the first that the audit looks through",
        promise="I8",
        file=UNHEARD,
        old="        place = Place(published_at, pk)\n",
        new="        return\n",
        killers=(f"{LOST}::test_audit_looks_at_every_page_of_facts",),
    ),
    Mutant(
        removes="the moment since when a subscriber is owed facts",
        promise="I8",
        file=UNHEARD,
        old="            if since.get((each.name, fact.type), now()) < fact.occurred_at:\n",
        new="            if True:\n",
        killers=(f"{LOST}::test_a_fact_from_before_its_subscriber_is_not_owed_to_it",),
    ),
    Mutant(
        removes="the bound of what the inboxes remember",
        promise="I8",
        file=REPUBLISH,
        old=", occurred_at__gt=remembered_since())",
        new=")",
        killers=(f"{LOST}::test_what_the_inboxes_no_longer_remember_is_neither_judged_nor_published_again",),
    ),
    Mutant(
        removes="the second publication of a fact that nobody heard",
        promise="I8",
        file=REPUBLISH,
        old="            _publish(context, unheard)\n",
        new="",
        killers=(f"{LOST}::test_sweep_publishes_a_lost_fact_again_and_it_is_applied_once",),
    ),
    Mutant(
        removes="the wait for what still stands in a queue",
        promise="I8",
        file=REPUBLISH,
        old="            if waiting := _still_on_their_way(unheard):\n",
        new="            if waiting := []:\n",
        killers=(f"{LOST}::test_behind_a_backlog_nothing_is_published_again_and_nothing_forgotten",),
    ),
)
