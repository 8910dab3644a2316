"""Mutants of the kernel: the state machine, outbox, relay, inbox, leases, transactions, breaker and retries."""

from __future__ import annotations

from tests.chaos.mutants.mutant import Mutant

STATES = "shop/states.py"
OUTBOX = "shop/events/outbox.py"
RELAY = "shop/events/relay.py"
BROKER = "shop/events/broker.py"
INBOX = "shop/events/inbox.py"
LETTERS = "shop/events/dead_letters.py"
MODELS = "shop/models.py"
TESTS = "tests/integration/events"
DUE = "tests/integration/shop_edge/test_due_rows.py"
SQL = "tests/architecture/test_sql.py"
CONFIRMS = "tests/process/test_confirms.py"
BREAKER = "tests/unit/shop_edge/test_breaker.py"

MUTANTS = (
    Mutant(
        removes="the expected status of the compare-and-set",
        promise="I9",
        file=STATES,
        old='        **{"pk": pk, "status__in": [str(status) for status in expected]}',
        new="        pk=pk",
        killers=(
            "tests/integration/shipping/test_shipments.py::test_every_mutator_in_every_status_keeps_to_the_table",
        ),
    ),
    Mutant(
        removes="the transition table",
        promise="I9",
        file=STATES,
        old="    model.TRANSITIONS.check(expected, to)\n",
        new="",
        killers=(f"{SQL}::test_no_row_moves_where_its_table_holds_no_move",),
    ),
    Mutant(
        removes="the version that rises with each move",
        promise="I9",
        file=STATES,
        old='models.F("version") + 1',
        new='models.F("version")',
        killers=(
            "tests/integration/inventory/test_transitions.py::test_each_step_publishes_its_fact_with_the_next_version",
        ),
    ),
    Mutant(
        removes="the event of a move",
        promise="I8",
        file=STATES,
        old="    publish(event, aggregate_id=pk, aggregate_version=row[0])\n",
        new="",
        killers=(
            "tests/integration/inventory/test_transitions.py::test_each_step_publishes_its_fact_with_the_next_version",
        ),
    ),
    Mutant(
        removes="the ban on saving over a status",
        promise="I9",
        file=STATES,
        old='        if not self._state.adding and (fields is None or {"status", "version"} & set(fields)):\n',
        new="        if not self._state.adding and fields is None:\n",
        killers=(f"{SQL}::test_a_status_cannot_be_saved_over",),
    ),
    Mutant(
        removes="the ban on a transaction inside another",
        promise="I9",
        file="shop/transactions.py",
        old='    if (open_context := _current.get()) is not None:\n        raise TransactionMisuse(\n            f"a transaction of {open_context} is open: end it',
        new='    if (open_context := _current.get()) == context:\n        raise TransactionMisuse(\n            f"a transaction of {open_context} is open: end it',
        killers=(f"{SQL}::test_a_transaction_inside_another_is_refused",),
    ),
    Mutant(
        removes="the transaction that a fact needs",
        promise="I8",
        file=OUTBOX,
        old="    alias = transactions.require(context)\n",
        new="    alias = transactions.alias_for(context)\n",
        killers=(f"{TESTS}/test_publish.py::test_publishing_outside_a_transaction_is_refused",),
    ),
    Mutant(
        removes="the fact from the transaction that makes it true",
        promise="I8",
        file=OUTBOX,
        old="    outbox_of(context)._default_manager.using(alias).create(\n",
        new=(
            "    rows = outbox_of(context)._default_manager.using(alias)\n"
            "    (lambda **row: transactions.after_commit(context, lambda: rows.create(**row)))(\n"
        ),
        killers=(f"{TESTS}/test_publish.py::test_fact_is_written_before_its_transaction_ends",),
    ),
    Mutant(
        removes="the wait of the relay until its rows have arrived",
        promise="I8",
        file=RELAY,
        old="        try:\n            errors = transport().send(",
        new="        _mark_published(context, [row.pk for row in rows])\n        try:\n            errors = transport().send(",
        killers=(f"{TESTS}/test_relay.py::test_rows_are_free_at_once_when_the_transport_is_away",),
    ),
    Mutant(
        removes="the look at what the broker refused",
        promise="I8",
        file=RELAY,
        old="zip(rows, errors, strict=True) if not error]\n",
        new="zip(rows, errors, strict=True)]\n",
        killers=(f"{TESTS}/test_relay.py::test_refused_row_waits_and_the_others_are_carried",),
    ),
    Mutant(
        removes="the claim of the relay",
        promise="I8",
        file=RELAY,
        old='                "  AND (claimed_until IS NULL OR claimed_until < clock_timestamp())"\n',
        new="",
        killers=(f"{TESTS}/test_relay.py::test_batch_of_a_relay_that_died_is_carried_when_its_lease_ends",),
    ),
    Mutant(
        removes="the end of a claim whose relay died",
        promise="I10",
        file=RELAY,
        old="(claimed_until IS NULL OR claimed_until < clock_timestamp())",
        new="(claimed_until IS NULL)",
        killers=(f"{TESTS}/test_relay.py::test_batch_of_a_relay_that_died_is_carried_when_its_lease_ends",),
    ),
    Mutant(
        removes="the order of an aggregate's facts",
        promise="I8",
        file=RELAY,
        old='AS earlier WHERE earlier.aggregate_id = o.aggregate_id"',
        new='AS earlier WHERE false"',
        killers=(f"{TESTS}/test_relay.py::test_refused_row_holds_back_what_follows_of_its_aggregate",),
    ),
    Mutant(
        removes="the quarantine of a row that no broker takes",
        promise="I10",
        file=RELAY,
        old="    hopeless = row.attempts + 1 >= settings.EVENTS_MAX_ATTEMPTS\n",
        new="    hopeless = False\n",
        killers=(f"{TESTS}/test_relay.py::test_row_that_is_refused_for_good_is_quarantined_and_frees_what_follows",),
    ),
    Mutant(
        removes="the wait for the broker's confirms",
        promise="I8",
        file=BROKER,
        old="        while batch.waiting:\n",
        new="        while False:\n",
        killers=(f"{CONFIRMS}::test_frozen_broker_counts_as_away_and_nothing_is_lost_or_doubled",),
        needs_broker=True,
    ),
    Mutant(
        removes="mandatory from what is published",
        promise="I8",
        file=BROKER,
        old='            "mandatory": True,\n',
        new='            "mandatory": False,\n',
        killers=(f"{CONFIRMS}::test_event_that_no_queue_takes_is_refused_alone_and_arrives_once_the_queue_is_back",),
        needs_broker=True,
    ),
    Mutant(
        removes="the check of the inbox",
        promise="I8",
        file=INBOX,
        old="        return cursor.fetchone() is not None\n",
        new="        return True\n",
        killers=(f"{TESTS}/test_inbox.py::test_event_delivered_five_times_is_applied_once",),
    ),
    Mutant(
        removes="the human's hold on a dead event that arrives again",
        promise="I8",
        file=INBOX,
        old=" attempts = inbox.attempts + 1, envelope = NULL WHERE inbox.status = 'RETRYING' RETURNING id",
        new=" attempts = inbox.attempts + 1, envelope = NULL WHERE inbox.status <> 'PROCESSED' RETURNING id",
        killers=(f"{TESTS}/test_inbox.py::test_dead_event_that_arrives_again_stays_dead",),
    ),
    Mutant(
        removes="the rollback of a handler that fails",
        promise="I8",
        file=INBOX,
        old="                target.handler(event)\n",
        new="                import contextlib\n\n                with contextlib.suppress(Exception):\n                    target.handler(event)\n",
        killers=(
            f"{TESTS}/test_inbox.py::test_failing_handler_leaves_no_effect_and_a_row_that_says_when_to_try_again",
        ),
    ),
    Mutant(
        removes="the dead letter after the last attempt",
        promise="I8",
        file=INBOX,
        old="        status = DeliveryStatus.DEAD if attempts >= settings.EVENTS_MAX_ATTEMPTS else DeliveryStatus.RETRYING\n",
        new="        status = DeliveryStatus.RETRYING\n",
        killers=(f"{TESTS}/test_inbox.py::test_event_dies_after_its_attempts_with_envelope_and_error_kept",),
    ),
    Mutant(
        removes="the lease of a delivery that is tried again",
        promise="I10",
        file=INBOX,
        old="            due_at=Now() + timedelta(seconds=RETRY_LEASE_SECONDS)\n",
        new="            due_at=Now()\n",
        killers=(f"{TESTS}/test_inbox.py::test_retries_that_wait_behind_another_worker_s_slow_one_are_left_to_it",),
    ),
    Mutant(
        removes="the one subscriber to whom a dead letter is replayed",
        promise="I8",
        file=LETTERS,
        old="            .filter(pk=entry_id, status=DeliveryStatus.DEAD)\n            .update(status=DeliveryStatus.RETRYING, attempts=0, due_at=Now(), decided_by=staff",
        new=(
            "            .filter(event_id=entry.event_id)\n"
            "            .update(status=DeliveryStatus.RETRYING, attempts=0, due_at=Now(), envelope=entry.envelope, decided_by=staff"
        ),
        killers=(f"{TESTS}/test_dead_letters.py::test_replayed_letter_is_applied_once_and_only_at_its_own_subscriber",),
    ),
    Mutant(
        removes="the lease of a row that is due",
        promise="I10",
        file=MODELS,
        old="SET due_at = now() + make_interval(secs => %s) FROM due",
        new="SET due_at = now() + 0 * make_interval(secs => %s) FROM due",
        killers=(f"{DUE}::test_a_claimed_row_is_left_alone_until_its_lease_ends",),
    ),
    Mutant(
        removes="the skipping of due rows that another worker has locked",
        promise="I10",
        file=MODELS,
        old=" FOR UPDATE SKIP LOCKED) UPDATE",
        new=" FOR UPDATE) UPDATE",
        killers=(f"{DUE}::test_a_row_that_another_worker_has_at_hand_is_passed_by",),
    ),
    Mutant(
        removes="the end of what a failing breaker lets through",
        promise="I10",
        file="shop/resilience/breaker.py",
        old="                if left > 0:\n",
        new="                if False:\n",
        killers=(f"{BREAKER}::test_an_open_breaker_sends_nothing_and_says_when_to_come_back",),
    ),
    Mutant(
        removes="the difference between a decline and an outage for the breaker",
        promise="I10",
        file="shop/resilience/breaker.py",
        old="isinstance(error, self._counts) and not isinstance(error, Refusal)",
        new="isinstance(error, (*self._counts, Refusal))",
        killers=(f"{BREAKER}::test_refusals_and_other_answers_never_open_it",),
    ),
    Mutant(
        removes="the cap on the time between two tries",
        promise="I10",
        file="shop/resilience/retry.py",
        old="    wait = min(cap, first * 2.0 ** min(attempt - 1, 32))\n",
        new="    wait = first * 2.0 ** min(attempt - 1, 32)\n",
        killers=("tests/unit/shop_edge/test_retry.py::test_the_wait_doubles_up_to_its_cap",),
    ),
    Mutant(
        removes="the jitter of the time between two tries",
        promise="I10",
        file="shop/resilience/retry.py",
        old="    return wait * random.uniform(0.8, 1.2)",
        new="    return wait * random.uniform(1.0, 1.0)",
        killers=("tests/unit/shop_edge/test_retry.py::test_those_who_failed_together_do_not_come_back_together",),
    ),
)
