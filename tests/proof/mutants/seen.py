"""Mutants of what the system says about itself and to outsiders: labels, files, CloudEvents, ids."""

from __future__ import annotations

from tests.proof.mutants.mutant import Mutant

METRICS = "shop/observability/request_metrics.py"
FOLDING = "shop/observability/folding.py"
FOLDED = "tests/unit/shop/test_folding.py"
CLOUDEVENTS = "shop/events/cloudevents.py"
MESSAGES = "tests/integration/events/test_messages.py"
CATALOGUE = "tests/unit/shop/test_catalogue.py"
IDS = "tests/unit/shop/test_request_ids.py"
TRACES = "tests/integration/orders/test_traces.py"
OF_PAYMENTS = f"{TRACES}::test_what_a_sweep_of_payments_asks_for_an_order_is_in_the_order_s_trace_and_names_it"

MUTANTS = (
    Mutant(
        removes="the proxies whose word on a request's id is taken",
        promise="edge",
        file="shop/request_ids.py",
        old="if settings.TRUSTED_PROXIES and _PLAIN",
        new="if _PLAIN",
        killers=(f"{IDS}::test_an_id_is_taken_from_a_proxy_of_ours_and_from_nobody_else",),
    ),
    Mutant(
        removes="the forgetting, in a child process, of the random numbers that its parent has drawn ahead",
        promise="edge",
        file="shop/ids.py",
        old="os.register_at_fork(after_in_child=_drawn.clear)\n",
        new="",
        killers=("tests/unit/shop/test_ids_at.py::test_a_child_process_does_not_draw_what_its_parent_draws",),
    ),
    Mutant(
        removes="the line of a notice in whose request something happened",
        promise="edge",
        file="shop/observability/lines.py",
        old="is_routine(request) and did_nothing",
        new="is_routine(request)",
        killers=(
            "tests/unit/shop/test_lines.py::test_probes_and_notices_are_told_of_only_where_they_failed_or_did_something",
        ),
    ),
    Mutant(
        removes="the look at what an id is made of",
        promise="edge",
        file="shop/request_ids.py",
        old="and _PLAIN.fullmatch(given)",
        new="and given",
        killers=(f"{IDS}::test_an_id_that_is_not_plain_is_nobody_s",),
    ),
    Mutant(
        removes="the request's id from the trace that begins with it",
        promise="edge",
        file="shop/observability/tracing.py",
        old="        return request_ids.trace_id() or super()",
        new="        return super()",
        killers=("tests/integration/shop/test_tracing.py::test_a_trace_that_begins_with_a_request_has_its_id",),
    ),
    Mutant(
        removes="the own trace of each order of a batch",
        promise="edge",
        file="shop/observability/tracing.py",
        old="    token = _by_order.set(traceparents)\n",
        new="    token = _by_order.set({})\n",
        killers=(f"{TRACES}::test_a_batch_of_several_orders_keeps_each_in_its_own_trace",),
    ),
    Mutant(
        removes="the trace of a row that is handed over",
        promise="edge",
        file="shop/work/handover.py",
        old="leased.leased_until, traceparent)\n",
        new='leased.leased_until, "")\n',
        killers=(f"{TRACES}::test_mail_that_is_handed_over_is_sent_in_the_trace_of_who_wrote_it",),
    ),
    Mutant(
        removes="the trace of a row that a sweep takes",
        promise="edge",
        file="shop/work/turn.py",
        old='    with tracing.in_trace("" if tracing.current_trace_id() else one.traceparent):\n',
        new='    with tracing.in_trace(""):\n',
        killers=(f"{TRACES}::test_mail_and_booking_of_a_sweep_are_in_the_order_s_trace_and_name_it",),
    ),
    *(
        Mutant(
            removes=f"the trace of the order from the sweep of {what}",
            promise="edge",
            file="payments/tasks.py",
            old=f"rows=_due({table}, {order_id}",
            new=f"rows=_due({table}, 'NULL::uuid'",
            killers=(f"{OF_PAYMENTS}[{killer}]",),
        )
        for what, table, order_id, killer in (
            ("payments without an outcome", "Payment", '"due.order_id"', "ask_about_payment-provider retrieve"),
            ("webhooks", "WebhookEvent", "ORDER_OF_INTENT", "apply_webhook-provider list_refunds"),
            ("refunds", "Refund", '"due.payment_id"', "send_refund-provider refund"),
            ("disputes", "Dispute", '"due.payment_id"', "ask_about_dispute-provider retrieve_dispute"),
            ("stray intents", "StrayIntent", '"due.order_id"', "settle_stray-provider cancel"),
        )
    ),
    Mutant(
        removes="the trace of the order from a reconciliation",
        promise="edge",
        file="payments/services/reconcile.py",
        old="        with in_trace_of(order_id):\n",
        new="        if order_id:\n",
        killers=(f"{OF_PAYMENTS}[reconcile-provider list_refunds]",),
    ),
    Mutant(
        removes="the name of the order from what a sweep of payments asks the provider",
        promise="edge",
        file="payments/services/traces.py",
        old="    with structlog.contextvars.bound_contextvars(order_id=str(order_id)):\n",
        new="    with structlog.contextvars.bound_contextvars():\n",
        killers=(f"{OF_PAYMENTS}[ask_about_payment-provider retrieve]",),
    ),
    Mutant(
        removes="the digits that make a sequence comparable as a text",
        promise="edge",
        file=CLOUDEVENTS,
        old='f"{envelope.position:0{SEQUENCE_DIGITS}d}"',
        new="str(envelope.position)",
        killers=(f"{MESSAGES}::test_the_sequence_orders_as_a_text_and_stands_once",),
    ),
    Mutant(
        removes="the place of a claimed row from what is told of it",
        promise="edge",
        file="shop/events/claims.py",
        old="        position=pk,\n",
        new="        position=aggregate_version,\n",
        killers=(f"{MESSAGES}::test_the_place_of_an_event_is_that_of_its_row_also_where_the_relay_claims_it",),
    ),
    Mutant(
        removes="the installation from the source of events",
        promise="edge",
        file=CLOUDEVENTS,
        old='    return f"{settings.EVENTS_SOURCE}/{context}"\n',
        new='    return f"/{context}"\n',
        killers=(f"{CATALOGUE}::test_the_committed_document_is_what_the_code_describes",),
    ),
    Mutant(
        removes="the form within the shop, which every release reads",
        promise="I8",
        file="shop/events/messages.py",
        old="        text = msgspec.json.encode(envelope.to_json())\n",
        new="        text = cloudevents.encode(envelope)\n",
        killers=(f"{MESSAGES}::test_workers_of_every_release_get_the_form_that_they_read_whatever_outsiders_get",),
    ),
    Mutant(
        removes="the label of a method that nobody knows, from pages",
        promise="edge",
        file=METRICS,
        old='            labels["method"] = method_label(request.method)\n',
        new="            pass\n",
        killers=("tests/integration/shop/test_chains.py::test_a_method_that_nobody_knows_makes_no_label_of_its_own",),
    ),
    Mutant(
        removes="the journal of files that are put in place of others",
        promise="edge",
        file=FOLDING,
        old="    note.replace(folder / JOURNAL)\n    _put_in_place(folder)\n",
        new="    made.replace(together)\n    for path in files:\n        path.unlink()\n",
        killers=(f"{FOLDED}::test_who_dies_while_folding_loses_and_doubles_nothing",),
    ),
    Mutant(
        removes="the lock under which figures are read",
        promise="edge",
        file=FOLDING,
        old="    with _locked(folder, fcntl.LOCK_SH, wait_seconds=WAIT_SECONDS):\n",
        new="    if True:\n",
        killers=(f"{FOLDED}::test_nobody_folds_while_figures_are_read",),
    ),
    Mutant(
        removes="the look whether a process lives",
        promise="edge",
        file=FOLDING,
        old="        os.kill(int(pid), 0)\n",
        new="        raise ProcessLookupError\n",
        killers=(f"{FOLDED}::test_files_of_a_process_that_lives_stay_its_own",),
    ),
)
