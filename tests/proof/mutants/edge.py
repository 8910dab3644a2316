"""Mutants of the API's edge: keys, owners, permissions, limits, and what may not be taken or logged."""

from __future__ import annotations

from tests.proof.mutants.mutant import Mutant

IDEMPOTENCY = "shop/rest/idempotency.py"
VIEWS = "orders/rest/views.py"
SESSIONS = "shop/accounts/sessions.py"
TOKENS = "tests/integration/shop/test_sessions.py"
CHAINS = "tests/integration/shop/test_chains.py"
TRACES = "tests/integration/shop/test_tracing.py"
KEYS = "tests/integration/shop/test_idempotency.py"
PROBLEMS = "tests/integration/shop/test_problems.py"
REST = "tests/integration/orders/test_rest.py"
PARTS = "tests/unit/shop/test_rest_parts.py"
ADMISSION = "tests/integration/orders/test_admission.py"
BREAKER = "tests/unit/shop/test_breaker.py"
FAULTS = "tests/integration/orders/test_faults.py"
AUTHORIZE = "tests/integration/payments/test_authorize.py"

MUTANTS = (
    Mutant(
        removes="the policy that keeps a page from running what stands in it",
        promise="edge",
        file="shop/rest/policies.py",
        old="script-src 'self' 'unsafe-eval'; {_STYLES}",
        new="script-src 'self' 'unsafe-eval' 'unsafe-inline'; {_STYLES}",
        killers=("tests/proof/security/test_policies.py::test_other_pages_of_the_admin_pass_their_policy",),
    ),
    Mutant(
        removes="the refusal of an amount with more decimals than its currency has, in staff's forms",
        promise="edge",
        file="shop/admin/fields.py",
        old="    if int(minor.as_tuple().exponent) < 0:\n",
        new="    if False:\n",
        killers=("tests/integration/orders/test_admin.py::test_staff_write_amounts_as_people_do",),
    ),
    Mutant(
        removes="the chargeback from what the form of a refund says may still be refunded",
        promise="edge",
        file="payments/queries.py",
        old="return Money.zero(payment.currency) if payment.dispute_status in CHARGEBACKS else payment.refundable",
        new="return payment.refundable",
        killers=(
            "tests/integration/orders/disputes/test_parcels_and_stories.py::test_form_of_a_refund_offers_nothing_during_a_chargeback",
        ),
    ),
    Mutant(
        removes="the timer that tells of a breaker that nobody calls",
        promise="edge",
        file="shop/resilience/breaker.py",
        old="            _tell_later(str(cb.name))\n",
        new="",
        killers=(
            f"{BREAKER}::test_the_metric_of_an_open_breaker_follows_by_itself_in_a_process_that_is_asked_nothing",
        ),
    ),
    Mutant(
        removes="the end of listening before a process ends what it has begun",
        promise="edge",
        file="shop/draining.py",
        old="            listener.close()\n        self.sockets = []\n",
        new="",
        killers=(
            "tests/deploy/test_draining.py::test_a_process_that_stops_listens_no_more_and_ends_what_it_has_begun",
        ),
    ),
    Mutant(
        removes="the folder that an address of mail names",
        promise="edge",
        file="config/mail.py",
        old='        found["EMAIL_FILE_PATH"] = f"/{path}"\n',
        new="",
        killers=("tests/unit/config/test_mail.py::test_files_are_written_where_the_address_says",),
    ),
    Mutant(
        removes="the reach of who looks after accounts",
        promise="edge",
        file="shop/accounts/trust.py",
        old="    if user.is_superuser:\n        return False\n",
        new="    if user.is_superuser:\n        return True\n",
        killers=("tests/proof/security/test_reach.py::test_an_account_that_may_do_more_is_out_of_reach",),
    ),
    Mutant(
        removes="the kept answer of an Idempotency-Key",
        promise="I7",
        file=IDEMPOTENCY,
        old="        if (kept := _kept_answer(request, call)) is not None:\n",
        new="        if (kept := None) is not None:\n",
        killers=(f"{KEYS}::test_the_same_request_gets_the_same_answer_and_works_once",),
    ),
    Mutant(
        removes="the comparison of bodies under one key",
        promise="I7",
        file=IDEMPOTENCY,
        old="    if kept.fingerprint != fingerprint:\n",
        new="    if False:\n",
        killers=(f"{KEYS}::test_the_same_key_with_another_body_is_422",),
    ),
    Mutant(
        removes="the user from what tells two keys apart",
        promise="I7",
        file="shop/sql/get_session.sql",
        old="ON k.user_id = u.id AND k.key",
        new="ON k.key",
        killers=(f"{KEYS}::test_two_customers_may_use_the_same_key",),
    ),
    Mutant(
        removes="the user from the answer that is looked for alone",
        promise="I7",
        file="shop/sql/find_kept_answer.sql",
        old="WHERE user_id = %(user_id)s::uuid AND key",
        new="WHERE %(user_id)s::uuid IS NOT NULL AND key",
        killers=(f"{KEYS}::test_a_call_that_lost_a_race_is_told_its_own_customer_s_answer",),
    ),
    Mutant(
        removes="the password that a session was begun with",
        promise="edge",
        file=SESSIONS,
        old=" or not _vouches(data, user):\n",
        new=" or not user.is_active:\n",
        killers=(f"{TOKENS}::test_a_password_that_was_changed_ends_the_session",),
    ),
    Mutant(
        removes="the end of a session",
        promise="edge",
        file="shop/sql/get_session.sql",
        old=" AND s.expire_date > statement_timestamp()",
        new="",
        killers=(f"{TOKENS}::test_a_session_that_has_expired_is_nobody_s",),
    ),
    Mutant(
        removes="the difference between final answers and those that may turn out otherwise",
        promise="I7",
        file=IDEMPOTENCY,
        old="        if undecided or isinstance(answer, NotFinal):\n",
        new="        if False:\n",
        killers=(f"{KEYS}::test_an_answer_that_may_turn_out_otherwise_is_not_kept",),
    ),
    Mutant(
        removes="the first answer of two that race",
        promise="I7",
        file=IDEMPOTENCY,
        old="    if winner is None:\n        return final\n",
        new="    return final\n",
        killers=(f"{KEYS}::test_of_two_racing_calls_both_get_the_answer_that_was_stored_first",),
    ),
    Mutant(
        removes="the owner of an order",
        promise="edge",
        file=VIEWS,
        old="customer_id=None if may_see_all else request.user.pk)",
        new="customer_id=None)",
        killers=(f"{REST}::test_another_customers_order_does_not_exist",),
    ),
    Mutant(
        removes="the owner from the list of orders",
        promise="edge",
        file="orders/queries.py",
        old="    own = Q(customer_id=customer_id)\n",
        new="    own = Q(pk__isnull=False)\n",
        killers=("tests/proof/security/test_routes.py::test_lists_hold_the_callers_own_orders_only",),
    ),
    Mutant(
        removes="the permission to refund",
        promise="edge",
        file=VIEWS,
        old='        if not (request.user.is_staff and request.user.has_perm("orders.refund_order")):\n',
        new="        if False:\n",
        killers=(f"{REST}::test_staff_see_cancel_and_refund_only_with_their_permissions",),
    ),
    Mutant(
        removes="the version that a cancel means",
        promise="edge",
        file="shop/rest/preconditions.py",
        old="    if header is not None and not {",
        new="    if False and not {",
        killers=(f"{PARTS}::test_if_match_stops_another_version_and_weak_tags",),
    ),
    Mutant(
        removes="the refusal of fields that are not known",
        promise="edge",
        file="shop/rest/fields.py",
        old="sorted(set(map(str, data)) - set(self.fields)) if isinstance(data, Mapping) else []",
        new="[]",
        killers=(f"{PARTS}::test_unknown_fields_are_refused_at_every_level",),
    ),
    Mutant(
        removes="the limit on a body's size",
        promise="edge",
        file="shop/rest/parsing.py",
        old="        raw = stream.read(limit + 1)\n        if len(raw) > limit:\n",
        new="        raw = stream.read()\n        if False:\n",
        killers=(f"{PARTS}::test_a_body_over_the_limit_is_refused_before_it_is_parsed",),
    ),
    Mutant(
        removes="the redirect to HTTPS from the chain of the API",
        promise="edge",
        file="shop/rest/edge.py",
        old="                or self._security.process_request(request)\n                or self._common",
        new="                or self._common",
        killers=(f"{CHAINS}::test_both_chains_insist_on_https",),
    ),
    Mutant(
        removes="the check of the host from the chain of the API",
        promise="edge",
        file="shop/rest/edge.py",
        old="                or self._common.process_request(request)\n",
        new="",
        killers=(f"{CHAINS}::test_no_chain_takes_a_host_that_is_not_ours",),
    ),
    Mutant(
        removes="the span of a request that failed in a trace that was not chosen",
        promise="edge",
        file="shop/observability/request_trace.py",
        old="        if not (self._span.is_recording() or failed or slow):\n",
        new="        if not self._span.is_recording():\n",
        killers=(f"{TRACES}::test_request_of_a_program_that_fails_or_is_slow_is_told_in_any_trace",),
    ),
    Mutant(
        removes="the preparing of a text that the session has lost",
        promise="edge",
        file="shop/exchange.py",
        old="                _session(raw).names.clear()\n                if not raw.autocommit:\n",
        new="                if not raw.autocommit:\n",
        killers=("tests/integration/shop/test_statements.py::test_text_that_the_session_has_lost_is_prepared_again",),
    ),
    Mutant(
        removes="the preparing of texts that go together and that the session has lost",
        promise="edge",
        file="shop/exchange.py",
        old="                _session(raw).names.clear()\n                results = self._send(bound)\n",
        new="                results = self._send(bound)\n",
        killers=("tests/integration/shop/test_statements.py::test_texts_that_the_session_has_lost_are_prepared_again",),
    ),
    Mutant(
        removes="the limit on how often one caller may call",
        promise="edge",
        file="shop/rest/throttling.py",
        old="        return bool(allowed)\n",
        new="        return True\n",
        killers=(f"{PROBLEMS}::test_every_answer_says_what_is_left_of_the_rate_and_429_when_to_come_back",),
    ),
    Mutant(
        removes="the refusal of card numbers",
        promise="edge",
        file="shop/rest/idempotency.py",
        old="    if pointers := sorted(card_pointers(request.data)):\n",
        new="    if pointers := []:\n",
        killers=(
            "tests/proof/security/test_personal_data.py::test_a_card_number_is_refused_wherever_it_is_put_and_never_repeated",
        ),
    ),
    Mutant(
        removes="what says nothing about a dependency from what its breaker does not count",
        promise="edge",
        file="shop/resilience/breaker.py",
        old="        except SAYS_NOTHING:\n            self._machine.abandon(permit)\n            raise\n",
        new="",
        killers=("tests/unit/shop/test_breaker.py::test_what_ended_on_our_own_side_says_nothing_about_the_dependency",),
    ),
    Mutant(
        removes="the difference between a product in demand and a database that is away",
        promise="edge",
        file="inventory/queries.py",
        old="raise (InventoryBusy if is_contention(error) else InventoryUnavailable) from error",
        new="raise InventoryUnavailable from error",
        killers=(
            f"{FAULTS}::test_a_product_in_great_demand_is_503_for_its_buyers_and_opens_no_breaker_for_the_others",
        ),
    ),
    Mutant(
        removes="the worker's time limit from what the transport lets rise",
        promise="I10",
        file="payments/gateways/stripe/http.py",
        old="        except (OSError, http.client.HTTPException) as error:\n",
        new="        except Exception as error:\n",
        killers=(f"{AUTHORIZE}::test_the_end_of_a_workers_time_inside_a_call_is_not_taken_for_a_lost_answer",),
    ),
    Mutant(
        removes="the bound on orders at work",
        promise="edge",
        file="shop/resilience/admission.py",
        old="if self._inside[place] < room and (",
        new="if (",
        killers=(f"{ADMISSION}::test_beyond_the_bound_an_order_is_503_without_a_single_statement",),
    ),
    Mutant(
        removes="the reading of a body before a place is taken",
        promise="edge",
        file="shop/rest/edge.py",
        old="                or read_whole(request)\n",
        new="",
        killers=(f"{ADMISSION}::test_a_request_takes_no_place_and_no_statement_before_it_has_come_whole",),
    ),
    Mutant(
        removes="the end of the time in which a request must arrive",
        promise="edge",
        file="shop/draining.py",
        old="        if most <= 0:\n            raise gone\n",
        new="        most = max(most, 1.0)\n",
        killers=(
            "tests/unit/shop/test_arriving.py::test_a_client_that_drips_is_given_up_though_there_is_always_something_to_read",
        ),
    ),
    Mutant(
        removes="the bound on looks for kept answers",
        promise="edge",
        file="shop/resilience/admission.py",
        old="        if self._looks < 1:\n",
        new="        if False:\n",
        killers=(f"{ADMISSION}::test_a_rush_leaves_few_a_look_for_kept_answers",),
    ),
    Mutant(
        removes="the return of a place at the end of its request",
        promise="edge",
        file="shop/resilience/admission.py",
        old="            self._inside[place] -= 1\n",
        new="",
        killers=(f"{ADMISSION}::test_every_way_out_gives_the_place_back",),
    ),
    Mutant(
        removes="the refusal of new work by whom was let in only to look",
        promise="edge",
        file="shop/rest/idempotency.py",
        old="        if isinstance(self, AdmittedView) and self.may_only_repeat:\n",
        new="        if False:\n",
        killers=(f"{ADMISSION}::test_a_request_that_may_only_look_gets_the_kept_answer_or_is_turned_away",),
    ),
    Mutant(
        removes="the redaction of card numbers in logs",
        promise="edge",
        file="shop/observability/logging.py",
        old="    return without_card_numbers(text)\n",
        new="    return text\n",
        killers=("tests/unit/shop/test_logging.py::test_text_loses_what_no_log_may_hold",),
    ),
)
