"""Mutants of the API's edge: keys, owners, permissions, limits, and what may not be taken or logged."""

from __future__ import annotations

from tests.chaos.mutants.mutant import Mutant

IDEMPOTENCY = "shop/rest/idempotency.py"
VIEWS = "orders/rest/views.py"
KEYS = "tests/integration/shop_edge/test_idempotency.py"
PROBLEMS = "tests/integration/shop_edge/test_problems.py"
REST = "tests/integration/orders/test_rest.py"
PARTS = "tests/unit/shop_edge/test_rest_parts.py"

MUTANTS = (
    Mutant(
        removes="the kept answer of an Idempotency-Key",
        promise="I7",
        file=IDEMPOTENCY,
        old="        if (kept := _find(request.user.pk, key)) is not None:\n",
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
        file=IDEMPOTENCY,
        old="    return IdempotencyKey.objects.filter(user_id=str(user_id), key=key).first()\n",
        new="    return IdempotencyKey.objects.filter(key=key).first()\n",
        killers=(f"{KEYS}::test_two_customers_may_use_the_same_key",),
    ),
    Mutant(
        removes="the difference between final answers and those that may turn out otherwise",
        promise="I7",
        file=IDEMPOTENCY,
        old='        if undecided or not getattr(response, "is_final", True):\n',
        new="        if False:\n",
        killers=(f"{KEYS}::test_an_answer_that_may_turn_out_otherwise_is_not_kept",),
    ),
    Mutant(
        removes="the first answer of two that race",
        promise="I7",
        file=IDEMPOTENCY,
        old="    return final if winner is None else _replay(",
        new="    return final if True else _replay(",
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
        file=VIEWS,
        old="orders_with_details().filter(customer_id=request.user.pk)",
        new="orders_with_details()",
        killers=("tests/security/test_routes.py::test_lists_hold_the_callers_own_orders_only",),
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
        old="    if header and not {",
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
            "tests/security/test_personal_data.py::test_a_card_number_is_refused_wherever_it_is_put_and_never_repeated",
        ),
    ),
    Mutant(
        removes="the redaction of card numbers in logs",
        promise="edge",
        file="shop/observability/logging.py",
        old="    return without_card_numbers(text)\n",
        new="    return text\n",
        killers=("tests/unit/shop_edge/test_logging.py::test_text_loses_what_no_log_may_hold",),
    ),
)
