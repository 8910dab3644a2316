"""Mutants of the history: facts that are lost, changed or not read on their way out of the outbox, and watermarks that fall."""

from __future__ import annotations

from tests.proof.mutants.mutant import Mutant

PAST = "shop/events/past.py"
SCHEMA = "shop/events/history_schema.py"
FACTS = "tests/integration/events/test_history.py"
ORDERS = "tests/integration/orders/test_history.py"

MUTANTS = (
    Mutant(
        removes="the move of what leaves the outbox to the history",
        promise="I8",
        file=SCHEMA,
        old="    FROM gone;\n    RETURN NULL;\n",
        new="    FROM gone WHERE false;\n    RETURN NULL;\n",
        killers=(f"{FACTS}::test_a_release_that_knows_no_history_loses_no_fact_by_its_pruning",),
    ),
    Mutant(
        removes="the refusal to change the history",
        promise="I8",
        file=SCHEMA,
        old="    RAISE EXCEPTION 'the history is append-only: its facts are not changed'\n",
        new="    RETURN NEW;\n    RAISE EXCEPTION 'the history is append-only: its facts are not changed'\n",
        killers=(f"{FACTS}::test_the_history_can_only_be_appended_to",),
    ),
    Mutant(
        removes="the refusal to delete what the watermark has not passed",
        promise="I8",
        file=SCHEMA,
        old="    IF EXISTS (SELECT FROM gone WHERE occurred_at >=",
        new="    IF EXISTS (SELECT FROM gone WHERE false AND occurred_at >=",
        killers=(f"{FACTS}::test_the_history_can_only_be_appended_to",),
    ),
    Mutant(
        removes="what keeps a tracking number out of the history",
        promise="edge",
        file=SCHEMA,
        old="payload - 'tracking_number'",
        new="payload",
        killers=(f"{FACTS}::test_what_leads_to_a_person_stays_behind",),
    ),
    Mutant(
        removes="the history from an order's story",
        promise="I8",
        file=PAST,
        old='queue.union(past, all=True).order_by("id")',
        new='queue.order_by("id")',
        killers=(f"{FACTS}::test_what_is_past_its_retention_in_the_outbox_is_moved_whole",),
    ),
    Mutant(
        removes="the history from the audit",
        promise="I8",
        file="shop/audit/statuses.py",
        old="for model in (outbox_of(self.context), history_of(self.context))",
        new="for model in (outbox_of(self.context),)",
        killers=(f"{ORDERS}::test_an_order_older_than_the_retention_is_explained_to_the_last_fact",),
    ),
    Mutant(
        removes="the audit of facts that were deleted before they were published",
        promise="I8",
        file="shop/audit/bus.py",
        old='    for fact in rows.filter(published_at=None).order_by("id"):\n',
        new='    for fact in rows.none().order_by("id"):\n',
        killers=(f"{FACTS}::test_the_audit_names_a_fact_that_left_the_outbox_before_it_was_published",),
    ),
    Mutant(
        removes="what keeps a watermark from falling",
        promise="I8",
        file=PAST,
        old="greatest(watermark.since, excluded.since)",
        new="excluded.since",
        killers=(f"{FACTS}::test_a_watermark_never_falls_whatever_a_setting_says",),
    ),
    Mutant(
        removes="the watermark before the first row goes",
        promise="I8",
        file="shop/retention.py",
        old="        pruning.note()\n",
        new="",
        killers=(
            f"{FACTS}::test_the_watermark_is_durable_before_the_first_fact_goes",
            f"{FACTS}::test_no_retention_makes_the_audit_call_a_fact_unheard_that_was_heard",
        ),
    ),
    Mutant(
        removes="the inbox's watermark from what counts as unheard",
        promise="I8",
        file="shop/events/unheard.py",
        old="    return max([kept, *(moment for moment in pruned if moment is not None)])\n",
        new="    return max([kept, *(moment for moment in pruned if moment is None)])\n",
        killers=(f"{FACTS}::test_no_retention_makes_the_audit_call_a_fact_unheard_that_was_heard",),
    ),
    Mutant(
        removes="who did it from each fact",
        promise="edge",
        file="shop/events/outbox.py",
        old='"actor": current_actor(), ',
        new='"actor": "", ',
        killers=(f"{ORDERS}::test_each_fact_says_who_did_it",),
    ),
)
