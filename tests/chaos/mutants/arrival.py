"""Mutants of what every request is held to before anything reads it, and of what its texts and numbers may be."""

from __future__ import annotations

from tests.chaos.mutants.mutant import Mutant

ARRIVAL = "shop/rest/arrival.py"
ARRIVALS = "tests/security/test_arrival.py"

MUTANTS = (
    Mutant(
        removes="the refusal of a header with two values",
        promise="edge",
        file=ARRIVAL,
        old="            if len(values) > 1:\n",
        new="            if False:\n",
        killers=(f"{ARRIVALS}::test_two_keys_are_no_key",),
    ),
    Mutant(
        removes="the one value of a header that stands twice",
        promise="I7",
        file=ARRIVAL,
        old="            meta[name] = values.pop()\n",
        new="            values.pop()\n",
        killers=(f"{ARRIVALS}::test_a_token_that_stands_twice_is_one_token_and_two_tokens_are_none",),
    ),
    Mutant(
        removes="the one time of a webhook's signatures",
        promise="edge",
        file="payments/gateways/stripe_webhooks.py",
        old="    if len(moments) > 1:\n",
        new="    if len(moments) > 9:\n",
        killers=(f"{ARRIVALS}::test_a_signature_that_stands_twice_counts_once_and_two_are_none",),
    ),
    Mutant(
        removes="the reading of a body without a length",
        promise="edge",
        file=ARRIVAL,
        old="        settle_body(request)\n",
        new="",
        killers=(f"{ARRIVALS}::test_garbage_that_was_streamed_cancels_nothing",),
    ),
    Mutant(
        removes="the limit on a body without a length",
        promise="edge",
        file=ARRIVAL,
        old="    if len(body) > limit:\n",
        new="    if False:\n",
        killers=(f"{ARRIVALS}::test_a_streamed_body_is_read_within_the_limit_or_refused",),
    ),
    Mutant(
        removes="the refusal of a body that is packed",
        promise="edge",
        file=ARRIVAL,
        old="    return refuse_packed(request.META)\n",
        new="    return None\n",
        killers=(f"{ARRIVALS}::test_no_way_in_takes_a_body_that_is_packed",),
    ),
    Mutant(
        removes="the brands whose numbers are card numbers",
        promise="edge",
        file="shop/cards.py",
        old="    return is_issued(digits) and ",
        new="    return ",
        killers=("tests/unit/shop_edge/test_cards.py::test_what_is_no_card_number_is_left_alone",),
    ),
    Mutant(
        removes="the telephone numbers that are no card numbers",
        promise="edge",
        file="shop/cards.py",
        old="        if _is_telephone(blanked, figures.start(), groups):\n",
        new="        if False:\n",
        killers=("tests/unit/shop_edge/test_cards.py::test_what_is_no_card_number_is_left_alone",),
    ),
    Mutant(
        removes="the refusal of texts of two lines",
        promise="edge",
        file="shop/text.py",
        old="        if _REFUSED.search(text):\n",
        new="        if False:\n",
        killers=("tests/unit/shop_edge/test_text.py::test_what_breaks_turns_or_controls_a_line_is_refused",),
    ),
    Mutant(
        removes="the check of a product's name",
        promise="edge",
        file="inventory/services/products.py",
        old="        cleaned = clean_line(name)\n",
        new="        cleaned = name.strip()\n",
        killers=("tests/security/test_texts.py::test_a_product_s_name_is_one_line",),
    ),
    Mutant(
        removes="the refusal of a member that stands twice",
        promise="edge",
        file="shop/rest/parsing.py",
        old="    if len(made) < len(members):\n",
        new="    if False:\n",
        killers=("tests/unit/shop_edge/test_rest_parts.py::test_json_that_cannot_be_read_is_a_parse_error",),
    ),
    Mutant(
        removes="the refusal of query parameters that are not known",
        promise="edge",
        file="shop/rest/query.py",
        old="        if name not in known:\n",
        new="        if False:\n",
        killers=("tests/security/test_one_meaning.py::test_no_route_takes_a_query_that_it_does_not_know",),
    ),
    Mutant(
        removes="the refusal of what is sent over plain HTTP",
        promise="edge",
        file="shop/rest/edge.py",
        old="                refuse_plain_http(request)\n                or self._security",
        new="                self._security",
        killers=(f"{ARRIVALS}::test_over_plain_http_nothing_is_done_and_nothing_is_redirected",),
    ),
    Mutant(
        removes="what is settled on arrival, from the chain of the API",
        promise="I7",
        file="shop/rest/edge.py",
        old="                or refuse_on_arrival(request)\n",
        new="",
        killers=(f"{ARRIVALS}::test_a_key_that_stands_twice_is_the_same_key",),
    ),
    Mutant(
        removes="the API's way of reading from sign-ins",
        promise="edge",
        file="shop/rest/sign_in.py",
        old="            if request.body:\n",
        new="            if False:\n",
        killers=("tests/security/test_sign_in.py::test_a_body_that_the_api_would_not_read_is_refused",),
    ),
    Mutant(
        removes="503 for pages where the database is away",
        promise="edge",
        file="shop/rest/arrival.py",
        old="        return unavailable.plain_response() if unavailable else None\n",
        new="        return None\n",
        killers=("tests/security/test_sign_in.py::test_a_database_that_is_away_is_503_everywhere",),
    ),
)
