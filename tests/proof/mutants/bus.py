"""Mutants of the kernel: the state machine, outbox, relay, inbox and transactions."""

from __future__ import annotations

from tests.proof.mutants.mutant import Mutant

STATES = "shop/states.py"
OUTBOX = "shop/events/outbox.py"
RELAY = "shop/events/relay.py"
CLAIMS = "shop/events/claims.py"
BROKER = "shop/events/broker.py"
MESSAGES = "shop/events/messages.py"
INBOX = "shop/events/inbox.py"
BATCHES = "shop/events/batches.py"
LETTERS = "shop/events/dead_letters.py"
TESTS = "tests/integration/events"
SQL = "tests/architecture/test_sql.py"
CONFIRMS = "tests/process/test_confirms.py"

MUTANTS = (
    Mutant(
        removes="the tie between a move and the fact that tells of it",
        promise="I9",
        file=STATES,
        old="        if after is None:\n",
        new="        if False:\n",
        killers=(f"{SQL}::test_a_move_by_a_fact_that_tells_of_no_status_is_refused",),
    ),
    Mutant(
        removes="the expected status of the compare-and-set",
        promise="I9",
        file=STATES,
        old='"status__in": [str(status) for status in expected], ',
        new="",
        killers=(
            "tests/integration/shipping/test_shipments.py::test_every_mutator_in_every_status_keeps_to_the_table",
        ),
    ),
    Mutant(
        removes="the transition table",
        promise="I9",
        file=STATES,
        old="        cls.TRANSITIONS.check(expected, to)\n",
        new="",
        killers=(f"{SQL}::test_no_row_moves_where_its_table_holds_no_move",),
    ),
    Mutant(
        removes="the version that rises with each move",
        promise="I9",
        file=STATES,
        old='models.F("version") + 1',
        new='models.F("version")',
        killers=(f"{SQL}::test_a_move_is_published_with_the_version_that_it_led_to",),
    ),
    Mutant(
        removes="the event of a move",
        promise="I8",
        file=STATES,
        old='    " FROM moved"\n',
        new='    " FROM moved WHERE false"\n',
        killers=(f"{SQL}::test_a_move_is_published_with_the_version_that_it_led_to",),
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
        removes="the transaction that a writing statement needs",
        promise="I8",
        file="shop/statements.py",
        old="            transactions.require(self.context)\n",
        new="            transactions.alias_for(self.context)\n",
        killers=("tests/integration/shop/test_statements.py::test_write_outside_a_transaction_is_refused",),
    ),
    Mutant(
        removes="the fact from the transaction that makes it true",
        promise="I8",
        file=OUTBOX,
        old=(
            "        _insertion(context).run(**fact(event), aggregate_id=aggregate_id,"
            " aggregate_version=aggregate_version)\n"
        ),
        new=(
            "        row = fact(event) | {'aggregate_id': aggregate_id, 'aggregate_version': aggregate_version}\n"
            "        transactions.after_commit(event.context(), lambda: _insertion(event.context())._run(row))\n"
        ),
        killers=(f"{TESTS}/test_publish.py::test_fact_is_written_before_its_transaction_ends",),
    ),
    Mutant(
        removes="the wait of the relay until its rows have arrived",
        promise="I8",
        file=RELAY,
        old="    try:\n        errors = transport().send(",
        new=(
            "    claims.mark_and_claim(context, [row.pk for row in rows], limit=0)\n"
            "    try:\n        errors = transport().send("
        ),
        killers=(f"{TESTS}/test_refused_rows.py::test_rows_are_free_at_once_when_the_transport_is_away",),
    ),
    Mutant(
        removes="the look at what the broker refused",
        promise="I8",
        file=RELAY,
        old="zip(rows, errors, strict=True) if not error]\n",
        new="zip(rows, errors, strict=True)]\n",
        killers=(f"{TESTS}/test_refused_rows.py::test_refused_row_waits_and_the_others_are_carried",),
    ),
    Mutant(
        removes="the claim of the relay",
        promise="I8",
        file=CLAIMS,
        old='    "  AND (claimed_until IS NULL OR claimed_until < clock_timestamp() OR claimed_until > clock_timestamp() + {longest})"\n',
        new="",
        killers=(f"{TESTS}/test_relay.py::test_batch_of_a_relay_that_died_is_carried_when_its_lease_ends",),
    ),
    Mutant(
        removes="the end of a claim whose relay died",
        promise="I10",
        file=CLAIMS,
        old="(claimed_until IS NULL OR claimed_until < clock_timestamp() OR",
        new="(claimed_until IS NULL OR",
        killers=(f"{TESTS}/test_relay.py::test_batch_of_a_relay_that_died_is_carried_when_its_lease_ends",),
    ),
    Mutant(
        removes="the bound of how long a claim may hold a fact back",
        promise="I10",
        file=CLAIMS,
        old=" OR claimed_until > clock_timestamp() + {longest})",
        new=")",
        killers=(f"{TESTS}/test_relay.py::test_claim_that_ends_later_than_any_claim_may_holds_nothing_back",),
    ),
    Mutant(
        removes="the order of an aggregate's facts",
        promise="I8",
        file=CLAIMS,
        old='AS earlier WHERE earlier.aggregate_id = o.aggregate_id"',
        new='AS earlier WHERE false"',
        killers=(f"{TESTS}/test_refused_rows.py::test_refused_row_holds_back_what_follows_of_its_aggregate",),
    ),
    Mutant(
        removes="the snapshot of the claim that is newer than its lock",
        promise="I8",
        file=CLAIMS,
        old="""    "SELECT set_config('shop.relay', CASE WHEN pg_try_advisory_xact_lock(hashtext(%(lock)s::text))"
    "  THEN 'mine' ELSE '' END, true), set_config('shop.commit', current_setting('synchronous_commit'), true),"
    " set_config('synchronous_commit', 'off', true)" + _PLAN
)
_CLAIM = (
    "WITH next AS (SELECT id FROM {outbox} AS o WHERE current_setting('shop.relay') = 'mine'"
""",
        new="""    "SELECT set_config('shop.relay', 'mine', true), set_config('shop.commit', 'on', true),"
    " set_config('synchronous_commit', 'off', true)" + _PLAN
)
_CLAIM = (
    "WITH gate AS MATERIALIZED (SELECT pg_try_advisory_xact_lock(hashtext(%(lock)s::text)) AS mine),"
    " next AS (SELECT id FROM {outbox} AS o WHERE (SELECT mine FROM gate)"
""",
        killers=(f"{TESTS}/test_relay.py::test_claim_that_got_the_lock_late_sees_what_was_claimed_before",),
    ),
    Mutant(
        removes="the plan of a claim that is right for any backlog",
        promise="I10",
        file=CLAIMS,
        old="""true)" + _PLAN
""",
        new="""true)"
""",
        killers=(f"{TESTS}/test_relay.py::test_claim_that_was_planned_for_a_small_outbox_reads_a_backlog_once",),
    ),
    Mutant(
        removes="the second look of a relay that found another one claiming",
        promise="I10",
        file=RELAY,
        old="            if not mine:\n                wake(context)\n",
        new="",
        killers=(f"{TESTS}/test_relay.py::test_relay_that_finds_another_one_claiming_comes_again",),
    ),
    Mutant(
        removes="the rows of deliveries that may have killed their process",
        promise="I10",
        file="shop/events/consumer.py",
        old='    return bool(message.delivery_info["redelivered"])\n',
        new="    return False\n",
        killers=(
            f"{TESTS}/test_consumer.py::test_message_that_comes_again_is_set_aside_and_its_deliveries_are_tried_alone",
        ),
    ),
    Mutant(
        removes="the beats without which the broker takes a process for frozen",
        promise="I10",
        file="shop/events/consumer.py",
        old="connect(heartbeat_seconds=HEARTBEAT_SECONDS)",
        new="connect()",
        killers=("tests/process/test_frozen_workers.py::test_what_a_frozen_process_holds_goes_to_another",),
        needs_broker=True,
    ),
    Mutant(
        removes="the acknowledgment of those beside a message that cannot be recorded",
        promise="I8",
        file="shop/events/consumer.py",
        old="            if len(together) == 1 or isinstance(error, OperationalError | InterfaceError):\n",
        new="            if True:\n",
        killers=(f"{TESTS}/test_consumer.py::test_message_that_no_row_can_be_made_of_is_rejected_alone",),
    ),
    Mutant(
        removes="the marks of what has arrived",
        promise="I8",
        file=CLAIMS,
        old="texts = (_LOCK, _MARK, _CLAIM) if marks else (_LOCK, _CLAIM)",
        new="texts = (_LOCK, _CLAIM)",
        killers=(f"{TESTS}/test_publish.py::test_published_row_says_when_and_is_not_carried_again",),
    ),
    Mutant(
        removes="the quarantine of a row that no broker takes",
        promise="I10",
        file=RELAY,
        old="    hopeless = attempts >= settings.EVENTS_MAX_ATTEMPTS\n",
        new="    hopeless = False\n",
        killers=(
            f"{TESTS}/test_refused_rows.py::test_row_that_is_refused_for_good_is_quarantined_and_frees_what_follows",
        ),
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
        file=MESSAGES,
        old="        mandatory=True,\n",
        new="        mandatory=False,\n",
        killers=(f"{CONFIRMS}::test_event_that_no_queue_takes_is_refused_alone_and_arrives_once_the_queue_is_back",),
        needs_broker=True,
    ),
    Mutant(
        removes="the check of the inbox",
        promise="I8",
        file=INBOX,
        old="    return row is not None\n",
        new="    return True\n",
        killers=(f"{TESTS}/test_inbox.py::test_event_delivered_five_times_is_applied_once",),
    ),
    Mutant(
        removes="the human's hold on a dead event that arrives again",
        promise="I8",
        file=INBOX,
        old=" envelope = NULL WHERE inbox.status = 'RETRYING' RETURNING id",
        new=" envelope = NULL WHERE inbox.status <> 'PROCESSED' RETURNING id",
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
        old="SET due_at = now() + make_interval(secs => %(lease)s), attempts",
        new="SET due_at = now() + 0 * make_interval(secs => %(lease)s), attempts",
        killers=(
            f"{TESTS}/test_inbox.py::test_delivery_that_kills_its_worker_keeps_no_other_waiting_and_ends_as_a_dead_letter",
        ),
    ),
    Mutant(
        removes="the end of a delivery that kills each worker",
        promise="I10",
        file=INBOX,
        old="        if attempts > settings.EVENTS_MAX_ATTEMPTS:\n",
        new="        if False:\n",
        killers=(
            f"{TESTS}/test_inbox.py::test_delivery_that_kills_its_worker_keeps_no_other_waiting_and_ends_as_a_dead_letter",
        ),
    ),
    Mutant(
        removes="the check of the inbox for a batch",
        promise="I8",
        file=BATCHES,
        old="            _handle([turn for turn in turns.values() if turn.key in fresh])\n",
        new="            _handle(list(turns.values()))\n",
        killers=(f"{TESTS}/test_batches.py::test_batch_is_applied_once_however_often_it_comes",),
    ),
    Mutant(
        removes="the taking apart of a batch that fails",
        promise="I8",
        file=BATCHES,
        old="        _deliver_apart([turn.delivery for turn in turns.values()])\n",
        new='        set_aside(deliveries=[turn.delivery for turn in turns.values()], reason="its batch failed")\n',
        killers=(f"{TESTS}/test_batches.py::test_one_that_fails_keeps_no_other_from_being_applied",),
    ),
    Mutant(
        removes="the one transaction of a batch",
        promise="I8",
        file=BATCHES,
        old="            _handle([turn for turn in turns.values() if turn.key in fresh])\n",
        new=(
            "            import contextlib\n\n            with contextlib.suppress(ValueError):\n"
            "                _handle([turn for turn in turns.values() if turn.key in fresh])\n"
        ),
        killers=(f"{TESTS}/test_batches.py::test_one_that_fails_keeps_no_other_from_being_applied",),
    ),
    Mutant(
        removes="the parting of a batch that a worker held before",
        promise="I10",
        file="shop/tasks.py",
        old='    if (self.request.delivery_info or {}).get("redelivered"):\n',
        new="    if False:\n",
        killers=(f"{TESTS}/test_batches.py::test_message_that_a_worker_held_before_is_not_applied_as_a_batch",),
    ),
    Mutant(
        removes="the order of an aggregate's facts in a batch",
        promise="I8",
        file=BATCHES,
        old="    for number in sorted(rounds):\n",
        new="    for number in sorted(rounds, reverse=True):\n",
        killers=(f"{TESTS}/test_batches.py::test_order_of_an_aggregate_is_kept_in_a_batch",),
    ),
    Mutant(
        removes="what a batch has gathered, before a fact that a statement of its own writes",
        promise="I8",
        file=OUTBOX,
        old="    _write_gathered(event.context())\n    return",
        new="    return",
        killers=(f"{TESTS}/test_batches.py::test_gathered_facts_stand_before_the_next_that_is_written_by_itself",),
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
)
