"""Mutants of the engine room: connections that are handed back, the thread that writes for many, turns and their places."""

from __future__ import annotations

from tests.proof.mutants.mutant import Mutant

POOL_CONNECTIONS = "tests/integration/database/pool/test_connections.py"
POOL_OUTAGES = "tests/integration/database/pool/test_outages.py"
POOL_TURNS = "tests/integration/database/pool/test_turns.py"
POOL = "shop/database/pool.py"
CONNECTION = "shop/database/base.py"
TRANSACTIONS = "shop/transactions.py"
COALESCING = "shop/coalescing.py"
CLAIMS = "shop/events/claims.py"
BATCHES = "shop/events/batches.py"
TURN = "shop/work/turn.py"
WISHES = "tests/unit/shop/test_coalescing.py"
DELIVERED = "tests/integration/events/test_batches.py"
TURNS = "tests/integration/shop/test_turns.py"
PLACES = "tests/integration/shop/test_places.py"

MUTANTS = (
    Mutant(
        removes="the hand-back of a connection before a call outside",
        promise="edge",
        file=TRANSACTIONS,
        old="        connection.hand_back()  # type",
        new="        connection.pool  # type",
        killers=(f"{POOL_TURNS}::test_who_is_in_the_midst_of_work_waits_longer_than_who_begins",),
    ),
    Mutant(
        removes="the ban on a call outside inside a transaction",
        promise="I10",
        file=TRANSACTIONS,
        old="    forbid()\n    for connection",
        new="    for connection",
        killers=(f"{POOL_CONNECTIONS}::test_a_thread_in_a_transaction_gives_nothing_back_and_goes_nowhere",),
    ),
    Mutant(
        removes="the turn of those in the midst of work before those who begin",
        promise="edge",
        file=POOL,
        old='        if getattr(self.caller, "goes_on", False):\n',
        new="        if False:\n",
        killers=(f"{POOL_TURNS}::test_who_is_in_the_midst_of_work_comes_before_who_begins_and_each_in_order",),
    ),
    Mutant(
        removes="the patience of those in the midst of work",
        promise="edge",
        file=POOL,
        old="            return self.getconn(GOES_ON_SECONDS)\n",
        new="            return self.getconn()\n",
        killers=(f"{POOL_TURNS}::test_who_is_in_the_midst_of_work_waits_longer_than_who_begins",),
    ),
    Mutant(
        removes="the end of being in the midst of work with the request",
        promise="edge",
        file=CONNECTION,
        old="        self._goes_on = False\n        super()",
        new="        super()",
        killers=(f"{POOL_TURNS}::test_the_next_request_of_the_thread_begins_anew",),
    ),
    Mutant(
        removes="the look at a socket whose server has ended the session",
        promise="edge",
        file=POOL,
        old="        if monotonic() - conn.idle_since < FRESH_SECONDS and is_quiet(conn):\n",
        new="        if monotonic() - conn.idle_since < FRESH_SECONDS:\n",
        killers=(f"{POOL_CONNECTIONS}::test_sessions_that_the_server_ended_are_noticed_before_they_are_used",),
    ),
    Mutant(
        removes="the end of a wait for a server that hangs",
        promise="edge",
        file=POOL,
        old="            return super().wait(gen, interval, self.answer_seconds)\n",
        new="            return super().wait(gen, interval)\n",
        killers=(f"{POOL_OUTAGES}::test_a_database_that_hangs_is_given_up_and_found_again",),
    ),
    Mutant(
        removes="the lock around a claim of the relay",
        promise="I8",
        file=CLAIMS,
        old="CASE WHEN pg_try_advisory_xact_lock(hashtext(%(lock)s::text))",
        new="CASE WHEN %(lock)s <> ''",
        killers=(
            "tests/integration/events/test_relay.py::test_relay_that_finds_another_one_claiming_comes_again",
            "tests/integration/events/test_relay.py::test_claim_that_got_the_lock_late_sees_what_was_claimed_before",
        ),
    ),
    Mutant(
        removes="the thread that is left behind when it hangs",
        promise="I10",
        file=COALESCING,
        old="        if self.has_been_busy_for() > STUCK_SECONDS:\n",
        new="        if False:\n",
        killers=(f"{WISHES}::test_thread_that_hangs_is_left_behind_and_another_answers",),
    ),
    Mutant(
        removes="the answer to those who wait as the process stops",
        promise="I10",
        file=COALESCING,
        old="        if calls:\n            self.queue.put(None)",
        new="        if calls:\n            calls.clear()",
        killers=(f"{WISHES}::test_everybody_is_answered_when_the_process_stops",),
    ),
    Mutant(
        removes="the ban on a wish inside a transaction",
        promise="I1",
        file=COALESCING,
        old="        transactions.forbid()\n        with self._lock:",
        new="        with self._lock:",
        killers=(f"{WISHES}::test_who_has_a_transaction_open_is_refused",),
    ),
    Mutant(
        removes="the bound of a batch",
        promise="edge",
        file=COALESCING,
        old="                if len(calls) == LARGEST:\n",
        new="                if False:\n",
        killers=(f"{WISHES}::test_batch_is_bounded_and_the_rest_is_in_the_next",),
    ),
    Mutant(
        removes="the setting aside of a batch that ran out of time",
        promise="I8",
        file=BATCHES,
        old='        set_aside(deliveries=[turn.delivery for turn in turns.values()], reason="its batch ran out of time")\n',
        new="        _deliver_apart([turn.delivery for turn in turns.values()])\n",
        killers=(f"{DELIVERED}::test_batch_that_runs_out_of_time_parts_ways_and_none_counts_as_failed",),
    ),
    Mutant(
        removes="the time that a batch taken apart has",
        promise="I10",
        file=BATCHES,
        old="        if time.monotonic() > deadline:\n",
        new="        if False:\n",
        killers=(f"{DELIVERED}::test_batch_taken_apart_gives_what_it_has_no_time_for_a_turn_of_its_own",),
    ),
    Mutant(
        removes="what a delivery has done already from what a batch sets aside",
        promise="I8",
        file=BATCHES,
        old='        " ON CONFLICT (subscriber, event_id) DO NOTHING",\n',
        new=(
            "        \" ON CONFLICT (subscriber, event_id) DO UPDATE SET status = 'RETRYING', due_at = now(),\"\n"
            '        " envelope = EXCLUDED.envelope",\n'
        ),
        killers=(f"{DELIVERED}::test_batch_that_another_worker_held_parts_ways",),
    ),
    Mutant(
        removes="the time of a turn",
        promise="I10",
        file=TURN,
        old="        if time.monotonic() >= ends:\n            _ask_for_another(work.sweep,",
        new="        if False:\n            _ask_for_another(work.sweep,",
        killers=(f"{TURNS}::test_a_turn_ends_when_its_time_is_over_and_asks_for_another[1]",),
    ),
    Mutant(
        removes="the early end of a lease whose work our database has failed",
        promise="I10",
        file=TURN,
        old="        _Retrial(work, one).run()\n",
        new="",
        killers=(f"{TURNS}::test_a_lock_that_was_not_to_be_had_costs_no_attempt_and_no_lease",),
    ),
    Mutant(
        removes="the second try to end a lease early, once the database answers",
        promise="I10",
        file=TURN,
        old="            background.run_later(self, after_seconds=RETRY_SECONDS)\n",
        new="            pass\n",
        killers=(f"{TURNS}::test_a_row_whose_database_went_away_is_due_soon_after_it_is_back",),
    ),
    Mutant(
        removes="the claim alone of a row that may have killed its worker",
        promise="I10",
        file=TURN,
        old="    return next((max(index, 1) for index, one in enumerate(claimed) if one.attempts), 0)\n",
        new="    return 0\n",
        killers=(f"{TURNS}::test_a_row_that_was_tried_before_is_claimed_alone_where_the_claim_counts",),
    ),
    Mutant(
        removes="the giving back of rows that a turn has no time for",
        promise="I10",
        file=TURN,
        old="        _under_way.discard(portion)\n        portion.leave()\n",
        new="        _under_way.discard(portion)\n",
        killers=(f"{TURNS}::test_a_turn_ends_when_its_time_is_over_and_asks_for_another[10]",),
    ),
    Mutant(
        removes="the bound of how often a sweep runs at once",
        promise="I10",
        file="shop/sql/begin_run.sql",
        old="generate_series(1, (SELECT %(at_once)s::int))",
        new="generate_series(1, %(at_once)s::int + 9)",
        killers=(f"{PLACES}::test_as_many_run_at_once_as_there_are_places",),
    ),
    Mutant(
        removes="the end of a place that is taken for an hour",
        promise="I10",
        file="shop/sql/begin_run.sql",
        old="            AND running.until <= clock_timestamp() + make_interval(secs => %(seconds)s::float8)\n",
        new="",
        killers=(f"{PLACES}::test_a_place_that_is_taken_for_longer_than_anybody_may_is_free",),
    ),
    Mutant(
        removes="the place of a run that lost it to the next one",
        promise="I10",
        file="shop/sql/end_run.sql",
        old=" AND until = %(until)s::timestamptz",
        new=" AND %(until)s::timestamptz IS NOT NULL",
        killers=(f"{PLACES}::test_a_run_that_lost_its_place_leaves_the_next_one_s_alone",),
    ),
    Mutant(
        removes="the answer to a webhook that finds no database",
        promise="edge",
        file="shop/rest/edge.py",
        old="        return unavailable.plain_response() if unavailable else None\n",
        new="        return None\n",
        killers=(
            "tests/integration/payments/test_webhooks.py::test_webhook_that_finds_no_database_is_503_and_comes_again",
        ),
    ),
)
