"""Guards on what the API tells to everybody: to browsers of other origins, caches and programs; and of refunds."""

from __future__ import annotations

from tests.proof.mutants.mutant import Mutant

PUBLIC = "tests/integration/shop/test_public_answers.py"
CORS = "tests/integration/shop/test_cors.py"

REFUNDS = "tests/integration/orders/test_refund_list.py"

MUTANTS = (
    Mutant(
        removes="the refusal of a password that is not a text",
        promise="edge",
        file="shop/rest/sign_in.py",
        old="TEXTS & body.keys() if not isinstance(body[name], str)",
        new="TEXTS & body.keys() if False",
        killers=(
            "tests/proof/security/test_sign_in_contract.py::test_a_text_is_a_text_and_nothing_that_can_be_written_as_one",
        ),
    ),
    Mutant(
        removes="the order from the cursor of its refunds",
        promise="edge",
        file="payments/queries.py",
        old="        made_at = rows.filter(pk=beside)",
        new="        made_at = Refund.objects.filter(pk=beside)",
        killers=(f"{REFUNDS}::test_a_cursor_of_another_order_opens_nothing",),
    ),
    Mutant(
        removes="the care that what staff wrote stays with staff",
        promise="edge",
        file="orders/rest/refunds.py",
        old='        **({"reason": refund.reason} if with_reason else {}),\n',
        new='        "reason": refund.reason,\n',
        killers=(f"{REFUNDS}::test_its_customer_sees_each_refund_but_not_what_staff_wrote",),
    ),
    Mutant(
        removes="the choice of origins",
        promise="edge",
        file="shop/rest/cors.py",
        old="    allowed = origin in settings.CORS_ALLOWED_ORIGINS and request.path_info.startswith(PATHS)\n",
        new="    allowed = request.path_info.startswith(PATHS)\n",
        killers=(f"{CORS}::test_a_page_of_another_origin_may_not",),
    ),
    Mutant(
        removes="the choice of addresses that a page may call",
        promise="edge",
        file="shop/rest/cors.py",
        old="    allowed = origin in settings.CORS_ALLOWED_ORIGINS and request.path_info.startswith(PATHS)\n",
        new="    allowed = origin in settings.CORS_ALLOWED_ORIGINS\n",
        killers=(f"{CORS}::test_nothing_else_is_for_pages_of_another_origin",),
    ),
    Mutant(
        removes="the refusal of what is not an origin",
        promise="edge",
        file="config/origins.py",
        old='        if parts.scheme not in ("http", "https") or not parts.hostname or',
        new='        if origin != "*" and',
        killers=(f"{CORS}::test_what_is_not_an_origin_stops_the_start",),
    ),
    Mutant(
        removes="what an answer says from the tag of a product",
        promise="edge",
        file="shop/rest/preconditions.py",
        old="    text = json.dumps(response.data, sort_keys=True, default=str)\n",
        new='    text = ""\n',
        killers=(f"{PUBLIC}::test_a_product_may_be_kept_for_seconds_and_is_asked_after_by_its_tag",),
    ),
    Mutant(
        removes="the problem in place of a page for a form without its token",
        promise="edge",
        file="shop/rest/problem.py",
        old='        return edge_problem("permission_denied", reason).plain_response()\n',
        new="        pass\n",
        killers=(f"{PUBLIC}::test_no_address_of_a_program_answers_with_a_page",),
    ),
)
